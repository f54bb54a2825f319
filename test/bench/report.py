"""Tables, for the terminal and for docs/performance.md, and plots of the growth curves."""

import html


def table(head, rows):
    """Markdown. Numbers are right-aligned."""
    texts = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *texts]) for i in range(len(head))]

    def line(cells):
        first, rest = cells[0].ljust(widths[0]), cells[1:]
        return "| " + " | ".join([first, *(c.rjust(w) for c, w in zip(rest, widths[1:]))]) + " |"

    rule = "| " + " | ".join(["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]) + " |"
    return "\n".join([line(head), rule, *map(line, texts)])


def number(value):
    if value is None:
        return ""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


COLOURS = ["#1f6feb", "#d1242f", "#8250df", "#1a7f37"]


def plot(title, unit, series, steps):
    """An SVG of one line for each of `series`, {name: {step: value}}, over `steps`, evenly spaced."""
    width, height, left, bottom, top = 640, 300, 60, 40, 40
    most = max(value for line in series.values() for value in line.values())
    across = (width - left - 140) / max(1, len(steps) - 1)

    def place(step, value):
        return left + steps.index(step) * across, height - bottom - value / most * (height - bottom - top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="20" font-size="14">{html.escape(title)}</text>',
        f'<text x="8" y="{top - 6}">{html.escape(unit)}</text>',
    ]
    for share in (0, 0.5, 1):
        y = place(steps[0], most * share)[1]
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width - 140}" y2="{y:.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number(most * share)}</text>')
    for step in steps:
        x = place(step, 0)[0]
        parts.append(f'<text x="{x:.1f}" y="{height - bottom + 18}" text-anchor="middle">{step:,}</text>')
    for colour, (name, line) in zip(COLOURS, series.items()):
        points = [place(step, line[step]) for step in steps if step in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{html.escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


class Target:
    """One that the page has to show, and whether it holds. `bound` is what the floor itself reaches, where
    that limits what anyone can; `far` how many times beyond the limit makes --quick fail."""

    def __init__(self, what, wanted, found, part, far, bound):
        self.what, self.wanted, self.found, self.bound = what, wanted, found, bound
        self.holds = part <= 1  # of what is allowed
        self.is_far = far is not None and part > far

    def row(self):
        return [self.what, self.wanted, self.found, self.bound, "yes" if self.holds else "**no**"]


def shown(value, unit):
    return "" if value is None else f"{number(value)}{unit}"


FAR = 2.5  # a busy machine and few runs are no reason to fail


def at_most(what, limit, found, unit=" x", far=FAR, bound=None):
    return Target(what, f"<= {limit}{unit}", shown(found, unit), found / limit, far, shown(bound, unit))


def none_of(what, found):
    return Target(what, "0", str(found), 2 * FAR if found else 0, FAR, None)


def at_least(what, limit, found, unit=" x", far=FAR, bound=None):
    return Target(what, f">= {limit}{unit}", shown(found, unit), limit / found, far, shown(bound, unit))
