#!/usr/bin/env bats
# images:DIR: folders of pictures as people have them.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    unset KD_DATA OPENBLAS_CORETYPE
    export KD_CACHE=no
    . "$BATS_TEST_DIRNAME/small.bash"
    pictures=$BATS_TEST_DIRNAME/../fixtures/pictures
}

# jpeg: skips a test where this kd has none
jpeg() {
    mkdir -p try/a && cp "$pictures/rgb.jpg" try/a
    if kd-data inspect images:try 2>&1 | grep -q "without libjpeg-turbo"; then skip "no JPEG"; fi
    rm -r try
}
# photos: two classes of two photos each in ./p
photos() {
    mkdir -p p/cat p/dog
    cp "$pictures/rgb.jpg" p/cat/1.jpg
    cp "$pictures/turned-6.jpg" p/cat/2.JPG
    cp "$pictures/gray.jpg" p/dog/1.jpeg
    cp "$pictures/scene.png" p/dog/2.png
}
fact() { kd-data inspect "$@" --json 2>/dev/null; }
# png FILE DIGIT: a picture of the built-in digits
png() { cp "$digits/$2" "$1"; }
digits_made() {
    kd-data convert digits:test --fraction 0.004 --to png -o made -q >/dev/null
    digits=$PWD/made/test/
}
says() {
    local words=() word
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    run --separate-stderr "$@"
    echo "status $status: $stderr"
    [ "$status" -eq 0 ] || return 1
    for word in "${words[@]}"; do
        [[ $stderr == *"$word"* ]] || { echo "not said: $word"; return 1; }
    done
}

@test "JPEG and PNG of several sizes, turned and gray, become one size" {
    jpeg
    photos
    refused 2 "one size" "--size 32" -- kd-data inspect images:p
    fact images:p --size 32 |
        jq -e '.n == 4 and .shape == [3,32,32] and .class_names == ["cat","dog"]'
    [ "$(fact images:p --size 48x64 --color gray | jq -c .shape)" = '[1,48,64]' ]
    want=$(fact images:p --size 32 | jq .pixels)
    [ "$(fact images:p --size 32 --threads 1 | jq .pixels)" = "$want" ]
    for how in "--fit contain" "--fit stretch" "--filter lanczos"; do
        [ "$(fact images:p --size 32 $how | jq .pixels)" != "$want" ]
    done
    refused 2 "data.size" "48x" -- kd-data inspect images:p --size 48x
    refused 2 "data.background" -- kd-data inspect images:p --size 8 --background blue
}

@test "rubbish is passed over with one line, broken pictures are named, or passed over when told" {
    jpeg
    photos
    mkdir p/.git p/cat/@eaDir p/__MACOSX p/empty
    : >p/cat/Thumbs.db
    touch p/dog/desktop.ini p/dog/.hidden p/cat/@eaDir/x.jpg
    echo hello >p/cat/notes.txt
    says "passed over 1 file that is no picture" "notes.txt" "p/empty: no pictures" \
        -- kd-data inspect images:p --size 32
    [ "${#stderr_lines[@]}" -eq 2 ]
    told=$stderr # the same when the pixels come from the cache
    KD_CACHE=$PWD/cache kd-data inspect images:p --size 32 -q >/dev/null 2>&1
    [ "$(ls cache | wc -l)" -eq 1 ]
    run --separate-stderr env KD_CACHE="$PWD/cache" kd-data inspect images:p --size 32
    [ "$stderr" = "$told" ]
    [ "$(fact images:p --size 32 | jq .n)" -eq 4 ]
    rmdir p/empty
    rm p/cat/notes.txt
    head -c 300 "$pictures/rgb.jpg" >p/cat/3.jpg
    head -c 40 "$pictures/scene.png" >p/dog/3.png
    touch p/dog/4.png
    printf 'GIF89axxxxxxxxxxxx' >p/dog/5.gif
    refused 1 "p/dog/4.png" "it is empty" "p/dog/5.gif" "a GIF picture" "--skip-broken" \
        -- kd-data inspect images:p --size 32
    rm p/dog/4.png p/dog/5.gif
    refused 1 "2 pictures" "p/cat/3.jpg: broken JPEG" "p/dog/3.png: broken PNG" \
        -- kd-data inspect images:p --size 32
    [ "$(fact images:p --size 32 --skip-broken | jq -c '[.n, .skipped]')" = '[4,2]' ]
}

@test "what a picture is called does not matter, what it is does" {
    jpeg
    photos
    want=$(fact images:p --size 32 | jq .pixels)
    mv p/cat/1.jpg p/cat/1.png
    [ "$(fact images:p --size 32 | jq .pixels)" = "$want" ]
    mv p/dog/2.png p/dog/2.JPEG
    [ "$(fact images:p --size 32 | jq .pixels)" = "$want" ]
}

@test "pictures in folders of a class, links to files, links to nothing" {
    digits_made
    mkdir -p n/a/deep/er n/b
    cp "$(ls made/test/0/*.png | head -1)" n/a/deep/er/1.png
    cp "$(ls made/test/1/*.png | head -1)" n/b/1.png
    ln -s "$PWD/n/b/1.png" n/b/2.png
    [ "$(fact images:n | jq -c '[.n, .counts]')" = '[3,[1,2]]' ]
    ln -s nowhere n/c
    refused 1 "n/c: a link to nothing" -- kd-data inspect images:n
    rm n/c
    ln -s nowhere n/b/3.png
    refused 1 n/b/3.png -- kd-data inspect images:n
}

@test "splits as people name them" {
    digits_made
    for split in training Testing; do mkdir -p s/$split; cp -r made/test/{0,1} s/$split; done
    [ "$(fact images:s:test | jq -c '[.split, .classes]')" = '["test",2]' ]
    [ "$(fact images:s | jq -r .split)" = train ]
    mv s/Testing s/val
    says "s/val is not used" -- kd-data inspect images:s
    says "s/val is taken for it" -- kd-data inspect images:s:test
    [ "$(fact images:s/val:test | jq .n)" -gt 0 ]
    mv s/val s/other
    mv s/training s/one
    refused 1 "one and other hold the same folders" -- kd-data inspect images:s
}

@test "folders whose names are numbers are sorted as numbers" {
    digits_made
    mkdir f
    for i in 0 1 2 10 11; do
        mkdir f/$i
        png f/$i/1.png "$((i % 10))/$(ls made/test/$((i % 10)) | head -1)"
    done
    [ "$(fact images:f | jq -c .class_names)" = '["0","1","2","10","11"]' ]
    mv f/2 f/x
    [ "$(fact images:f | jq -c .class_names)" = '["0","1","10","11","x"]' ]
}

@test "the cache: the same pixels, at once, and anew when a file has changed" {
    digits_made
    export KD_CACHE=$PWD/cache
    want=$(fact images:made/test | jq .pixels)
    [ "$(ls cache | wc -l)" -eq 1 ]
    [ "$(fact images:made/test | jq .pixels)" = "$want" ]
    # what is in the cache is what is taken
    cp "$(ls made/test/1/*.png | head -1)" "$(ls made/test/0/*.png | head -1)"
    [ "$(fact images:made/test | jq .pixels)" != "$want" ]
    [ "$(ls cache | wc -l)" -eq 2 ]
    for f in cache/*; do head -c 100 "$f" >cut; cp cut "$f"; done
    [ "$(fact images:made/test | jq .n)" -gt 0 ]
}

@test "a model keeps how pictures become its input, and every program applies it" {
    digits_made
    kd-train-teacher --data images:made/test:train --size 12 --color rgb --layers 4 --epochs 1 \
        -o t.safetensors -q
    [ "$(meta t.safetensors kd.preprocess)" = '{"size":"12","color":"rgb"}' ]
    [ "$(meta t.safetensors kd.class_names | jq length)" -eq 10 ]
    kd-eval t.safetensors --data images:made/test:test --json | jq -e '.n > 0'
    kd-soften -m t.safetensors --data images:made/test:train -o s.safetensors -q
    kd-train-student --data images:made/test:train --size 12 --color rgb -S s.safetensors \
        --layers 4 --epochs 1 -o student.safetensors -q
    [ "$(meta student.safetensors kd.preprocess)" = '{"size":"12","color":"rgb"}' ]
    # pictures of their own size, one by one and as a source: each is made as those of the training
    mkdir few
    cp -r made/test/{0,1,2} few
    kd-predict t.safetensors few --json | jq .probability >one-by-one
    kd-predict t.safetensors images:few --json | jq .probability >source
    [ "$(grep -c "0\.[0-9]" source)" -eq "$(find few -name "*.png" | wc -l)" ]
    cmp one-by-one source
}

@test "a folder of photos and rubbish becomes an evaluated student in two commands" {
    jpeg
    photos
    mkdir -p d/.git d/train/empty
    cp -r p/* d/train
    cp -r p d/Test
    echo hello >d/train/cat/notes.txt
    : >d/train/dog/Thumbs.db
    head -c 300 "$pictures/rgb.jpg" >d/train/cat/broken.JPG
    kd-train-student --data images:d --size 32 --skip-broken --layers 8 --epochs 2 \
        --validation 0 -o student.safetensors -q
    kd-eval student.safetensors --data images:d:test --json | jq -e '.n == 4 and .top1 >= 0'
}

@test "a model of gray pictures is shown colours, with the fit and background that it learnt" {
    jpeg
    photos
    local how=(--size 10x14 --color gray --fit contain --background white)
    kd-train-teacher --data images:p "${how[@]}" --layers 4 --epochs 1 --validation 0 \
        -o g.safetensors -q
    kd-predict g.safetensors p --json | jq .probability >one-by-one
    kd-predict g.safetensors images:p --json | jq .probability >source
    cmp one-by-one source
    [ "$(grep -c "0\.[0-9]" source)" -eq 4 ]
}

@test "a JPEG file that says 65535 by 65535 pixels is refused before memory is taken" {
    jpeg
    mkdir -p b/a b/b
    cp "$pictures/rgb.jpg" b/a/1.jpg
    local sof
    sof=$(LC_ALL=C grep -obUaP '\xff[\xc0-\xc2]\x00' b/a/1.jpg | head -1 | cut -d: -f1)
    head -c $((sof + 5)) b/a/1.jpg >b/b/1.jpg
    printf '\377\377\377\377' >>b/b/1.jpg
    tail -c +$((sof + 10)) b/a/1.jpg >>b/b/1.jpg
    for how in "" "--size 32"; do
        refused 1 "b/b/1.jpg: 65535 by 65535 pixels are more than the" -- \
            kd-data inspect images:b $how
    done
    says "passed over 1 picture that cannot be read" -- kd-data inspect images:b --skip-broken
}

# of FILE: a class folder of it in ./one
one() {
    rm -rf one
    mkdir -p one/a
    cp "$pictures/$1" one/a
}

@test "a drawing in the alpha channel is refused, and taken with a background" {
    one drawn.png
    refused 2 "one/a/drawn.png" "alpha channel" "--background white" -- kd-data inspect images:one
    [ "$(fact images:one --background white | jq -c '[.min, .max]')" = '[0,255]' ]
    [ "$(fact images:one --background '#808080' | jq -c '[.min, .max]')" = '[0,128]' ]
    cp "$pictures/scene.png" one/a # one drawing among others is no mistake of the whole
    [ "$(fact images:one --size 8 | jq .n)" -eq 2 ]
}

@test "pictures of 16 bits of which 10 or 12 are used are refused, and taken with --bits" {
    for n in 10 12; do
        one bits$n.png
        refused 2 "one/a/bits$n.png" "--bits $n" -- kd-data inspect images:one
        [ "$(fact images:one --bits $n | jq -c '[.min, .max, (.mean[0] * 100 | round)]')" = \
            '[0,255,50]' ]
        [ "$(fact images:one --bits 16 | jq .max)" -lt 17 ]
    done
    one bits16.png
    [ "$(fact images:one | jq -c '[.min, .max]')" = '[0,255]' ]
}

@test "200 pictures at six sizes, by both filters, are within 2 of what Pillow makes of them" {
    python3 -c 'import PIL, numpy' 2>/dev/null || skip "python3 has no Pillow and NumPy"
    version=$(python3 -c 'import PIL; print(PIL.__version__.split(".")[0])')
    [ "$version" -ge 13 ] || skip "Pillow $version resizes in another order"
    python3 "$BATS_TEST_DIRNAME/../torch/check_pillow.py" "$BATS_TEST_TMPDIR"
}

@test "digits become JPEG photos of sizes that differ, which read as any folder does" {
    jpeg
    kd-data convert digits:train --fraction 0.01 --to jpeg --vary 0.4 -o a --quiet
    kd-data convert digits:train --fraction 0.01 --to jpeg --vary 0.4 -o b --quiet
    diff -r a b
    kd-data convert digits:train --fraction 0.01 --to jpeg --vary 0.4 --seed 2 -o c --quiet
    run diff -rq a c
    [ "$status" -eq 1 ]
    kd-data convert digits:train --fraction 0.01 --to jpeg --vary 0.4 --quality 20 -o d --quiet
    bytes() { cat $(find "$1" -name '*.jpg') | wc -c; }
    [ "$(bytes d)" -lt "$(bytes a)" ]
    # behind the marker of a frame (255 192), its length (0 11) and 8 bits: height and width
    sides=$(for f in $(find a -name '*.jpg'); do
        od -An -v -tu1 -w2048 "$f" | grep -o '255 192 *0 *11 *8 *[0-9]* *[0-9]* *[0-9]* *[0-9]*'
    done | tr -s ' ' | cut -d' ' -f6-9 | sort -u | wc -l)
    [ "$sides" -gt 60 ] # of 120
    run kd-data inspect images:a
    [[ $output == *"all pictures must have one size"* ]]
    kd-data inspect images:a --size 28 --json | jq -e '.n == 120 and .shape == [1, 28, 28]'
    # without --vary and at full quality nothing but JPEG's own loss
    kd-data convert digits:train --fraction 0.01 --to jpeg --quality 100 -o e --quiet
    kd-data convert images:e:train --to tensors -o e.safetensors --quiet
    kd-data convert digits:train --fraction 0.01 --by-class --to tensors -o f.safetensors --quiet
    pixels() { kd-data inspect "tensors:$1" --json | jq '.mean[0] * 255'; }
    awk -v a="$(pixels e.safetensors)" -v b="$(pixels f.safetensors)" \
        'BEGIN {exit !(a - b < 0.5 && b - a < 0.5)}'
    refused 2 "vary is for pictures" -- kd-data convert digits:train --vary 0.2 -o x
    refused 2 "quality is of JPEG files" -- kd-data convert digits:train --to png --quality 20 -o x
}
