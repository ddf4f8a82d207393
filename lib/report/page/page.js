// Sorting by a click on a column's head: numbers by value, texts naturally, empty cells last.
document.querySelectorAll('th button').forEach(function (button) {
    button.addEventListener('click', function () {
        var th = button.parentNode, row = th.parentNode;
        var column = Array.prototype.indexOf.call(row.children, th);
        var up = th.getAttribute('aria-sort') === 'descending';
        var body = th.closest('table').tBodies[0];
        Array.prototype.forEach.call(row.children, function (head) {
            head.removeAttribute('aria-sort');
        });
        th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        Array.prototype.slice.call(body.rows).sort(function (p, q) {
            var a = p.cells[column], b = q.cells[column];
            var x = a.dataset.v, y = b.dataset.v;
            if (x === undefined && y === undefined) {
                x = a.textContent;
                y = b.textContent;
                if (!x || !y) return (x ? 0 : 1) - (y ? 0 : 1);
                return (up ? 1 : -1) * x.localeCompare(y, undefined, { numeric: true });
            }
            if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
            return (up ? 1 : -1) * (x - y);
        }).forEach(function (r) {
            r.classList.remove('run'); // lines between runs hold in the order of runs alone
            body.appendChild(r);
        });
    });
});
