"""Tables: kd beside scikit-learn's MLPClassifier of the same shape, on the tables that it ships.

usage: test/bench/compare_sklearn.py [--bin bin] [--seeds 5]

Each table is cut once, 70 to 30. Both networks have one hidden layer of 32 units and see columns
standardised from the training part; both are trained from each seed, and judged by the other part.
"""
import argparse
import csv
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
from sklearn import datasets
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

KD = "--layers 32 --batch 16 --epochs 200 --learning-rate 0.003 --quiet".split()


def write(path, columns, classes):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([f"f{i}" for i in range(columns.shape[1])] + ["label"])
        out.writerows([*row, f"c{k}"] for row, k in zip(columns, classes))


def kd(bin, folder, seed):
    model = folder / f"{seed}.safetensors"
    run = lambda *words: subprocess.run(words, check=True, capture_output=True).stdout
    run(f"{bin}/kd-train-teacher", "--data", f"csv:{folder}/train.csv", *KD, "--seed", str(seed),
        "-o", str(model))
    text = run(f"{bin}/kd-eval", str(model), "--data", f"csv:{folder}/test.csv:test", "--json")
    return json.loads(text)["top1"]


def theirs(train, test, seed):
    scale = StandardScaler().fit(train[0])
    net = MLPClassifier((32,), max_iter=200, random_state=seed)
    return net.fit(scale.transform(train[0]), train[1]).score(scale.transform(test[0]), test[1])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default="bin")
    options.add_argument("--seeds", type=int, default=5)
    asked = options.parse_args()
    warnings.filterwarnings("ignore")  # that 200 epochs have not converged
    print("| table | kd | MLPClassifier |\n| --- | --- | --- |")
    for name in "iris", "wine", "digits", "breast_cancer":
        data = getattr(datasets, f"load_{name}")()
        order = np.random.default_rng(0).permutation(len(data.target))
        columns, classes = data.data[order], data.target[order]
        cut = len(classes) * 7 // 10
        train, test = (columns[:cut], classes[:cut]), (columns[cut:], classes[cut:])
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            write(folder / "train.csv", *train)
            write(folder / "test.csv", *test)
            ours = [kd(asked.bin, folder, seed) for seed in range(1, asked.seeds + 1)]
        other = [theirs(train, test, seed) for seed in range(1, asked.seeds + 1)]
        cell = lambda a: f"{np.mean(a):.3f} ({min(a):.3f} to {max(a):.3f})"
        print(f"| {name} | {cell(ours)} | {cell(other)} |", flush=True)


if __name__ == "__main__":
    main()
