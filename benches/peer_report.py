"""RESULTS.md and RESULTS.png."""

import datetime
import platform
import subprocess
import sys
from pathlib import Path

PHASE_NAMES = {"forward": "forward", "forward_backward": "forward and backward"}
SCHEDULES = ("linear", "log")
# Required speedup of lossc, by phase and by image (height, width).
REQUIRED = {
    ("forward_backward", (960, 1440)): {
        "torch.compile": 12,
        "PyTorch eager": 10,
        "JAX jit": 8,
        "Numba": 8,
        "torch.topk BCE": 15,
        "PyTorch plain BCE": 3,
    },
    ("forward_backward", (2848, 4288)): {
        "torch.compile": 15,
        "PyTorch eager": 30,
        "JAX jit": 15,
        "Numba": 8,
        "torch.topk BCE": 40,
        "PyTorch plain BCE": 9,
    },
    ("forward", (960, 1440)): {"PyTorch plain BCE": 3},
    ("forward", (2848, 4288)): {"PyTorch plain BCE": 3},
}
ABOUT = """\
Times are medians, in nanoseconds a pixel; "times lossc" is a time divided by lossc's for
the same schedule of the random drop loss. All contestants run in one process, on {threads}
threads, on the same f32 logits (mean -4, deviation 2) and u8 labels (a thousandth positive,
in discs), and take turns: in every round each is called for a twentieth of a second and the
next call is timed. Before that each was checked against double precision, with the same random
numbers where it draws any.

lossc runs a bundle through a C interface, checks the labels and writes the gradient over
a buffer that is there, as Numba does; the others allocate what they return. The functions
are in `peer_losses.py`. Random numbers are each library's own; plain BCE and top-k draw
none. Plain BCE has to turn u8 labels into f32 in each call; with labels that are f32
already it is a row of its own. Top-k keeps three negatives for each positive. NumPy runs on
one thread.
"""


class Report:
    """The figures and the setting they were measured in."""

    def __init__(self, results, own, versions, skipped, threads):
        self.results, self.own, self.versions, self.skipped, self.threads = (
            results,
            own,
            versions,
            skipped,
            threads,
        )

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        # The revision, before a picture that is part of it is overwritten.
        setting = self.setting()
        drawn = self.plot(folder / "RESULTS.png")
        picture = "\n![Nanoseconds a pixel of all contestants](RESULTS.png)\n" if drawn else ""
        (folder / "RESULTS.md").write_text(self.markdown(setting, picture))

    def markdown(self, setting, picture):
        parts = ["# lossc and its peers\n", setting, ABOUT.format(threads=self.threads), picture]
        for image, times in self.results.items():
            parts += [comparison(image, times, phase) for phase in reversed(PHASE_NAMES)]
        return "\n".join([*parts, self.alone()])

    def setting(self):
        versions = ", ".join(f"{name} {version}" for name, version in sorted(self.versions.items()))
        skipped = f" Not installed, so not compared: {', '.join(self.skipped)}." if self.skipped else ""
        date, processor = datetime.date.today(), self.own["machine"]["processor"]
        return (
            f"`{command()}`, {date}, {processor}, {self.threads} threads, lossc {revision()}, "
            f"Python {platform.python_version()}, {versions}.{skipped}\n"
        )

    def plot(self, path):
        """Draws one panel for each image and phase. Returns whether it could be drawn."""
        try:
            import matplotlib
        except ImportError:
            print("skipped: no picture, matplotlib is not installed", file=sys.stderr)
            return False
        matplotlib.use("Agg")
        from matplotlib import pyplot

        figure, panels = pyplot.subplots(
            len(self.results), 2, figsize=(12, 1 + 4 * len(self.results)), squeeze=False, sharex=True
        )
        for row, (image, times) in zip(panels, self.results.items()):
            for panel, phase in zip(row, PHASE_NAMES):
                draw(panel, image, times, phase)
        figure.suptitle(f"Random drop loss, {self.threads} threads")
        figure.tight_layout()
        figure.savefig(path, dpi=100)
        return True

    def alone(self):
        """Reports the figures of `lossc bench`."""
        rows = {
            (row["plan"], row["phase"], row["pixels"], row["threads"]): row["ns_per_pixel"]
            for row in self.own["rows"]
        }
        sizes = sorted({key[2] for key in rows})
        lines = [
            "## lossc alone\n",
            "`lossc bench random-drop --set schedule=log`: medians in ns a pixel, labels not checked.\n",
            f"| forward and backward | threads | {' | '.join(f'{size} pixels' for size in sizes)} |",
            f"|---|---|{'---|' * len(sizes)}",
        ]
        both = "forward_backward"
        for plan, threads in sorted({(plan, threads) for plan, phase, _, threads in rows if phase == both}):
            figures = " | ".join(f"{rows[plan, both, size, threads]:.2f}" for size in sizes)
            lines.append(f"| {plan} | {threads} | {figures} |")
        lines += ["", "| | found | required |", "|---|---|---|", *self.own_criteria(rows, sizes)]
        memory = self.own["machine"]["memory"][-1]
        read, copy = memory["read_gb_per_s"], memory["copy_gb_per_s"]
        lines.append(f"\nThe same threads read {read:.1f} GB/s and copy {copy:.1f} GB/s.\n")
        return "\n".join(lines)

    def own_criteria(self, rows, sizes):
        """Reports the requirements on lossc alone, by the largest, middle and smallest size."""
        smallest, middle, largest = sizes[0], sizes[-2], sizes[-1]

        def time(size, threads=self.threads, plan="fused"):
            return rows[plan, "forward_backward", size, threads]

        overhead = (time(smallest) - time(middle, threads=1)) * smallest / 1000
        compacted, algebra, fused, unfused = (
            time(largest, plan=plan)
            for plan in ("fused", "fused-without-compaction", "fused-without-algebra", "unfused")
        )
        return [
            criterion(
                f"one thread / {self.threads} threads, {largest} pixels",
                time(largest, 1) / time(largest),
                ">=",
                1.8,
            ),
            criterion(f"a pixel of {largest} / of {middle}", time(largest) / time(middle), "<=", 1.3),
            criterion(f"overhead of a call on {smallest} pixels, µs", overhead, "<=", 3.0),
            f"| one kernel an op / fused without algebra, {largest} pixels | {unfused / fused:.2f} | |",
            f"| without algebra / with, neither with a compaction, {largest} pixels | {fused / algebra:.2f} | |",
            f"| without a compaction / with, {largest} pixels | {algebra / compacted:.2f} | |",
        ]


def comparison(image, times, phase):
    """Returns a table of all contestants."""
    lossc = {schedule: times["lossc", schedule, phase] for schedule in SCHEDULES}
    required = REQUIRED.get((phase, image), {})
    lines = [
        f"## {image[1]}×{image[0]}, {PHASE_NAMES[phase]}\n",
        "| | linear | times lossc | log | times lossc | required |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name in dict.fromkeys(name for name, _, _ in times):
        found = {schedule: of(times, name, schedule, phase) for schedule in SCHEDULES}
        ratios = {schedule: found[schedule] / lossc[schedule] for schedule in SCHEDULES}
        cells = [f"{found[schedule]:.2f} | {ratios[schedule]:.1f}" for schedule in SCHEDULES]
        verdict = required_cell(min(ratios.values()), required.get(name))
        lines.append(f"| {name} | {' | '.join(cells)} | {verdict} |")
    return "\n".join(lines) + "\n"


def of(times, name, schedule, phase):
    """A loss without schedules is compared with each."""
    return times.get((name, schedule, phase)) or times[name, None, phase]


def required_cell(ratio, required):
    if required is None:
        return ""
    return f"{required}: {'met' if ratio >= required else '**not met**'}"


def criterion(what, found, relation, bound):
    holds = found >= bound if relation == ">=" else found <= bound
    sign = "≥" if relation == ">=" else "≤"
    return f"| {what} | {found:.2f} | {sign} {bound}: {'met' if holds else '**not met**'} |"


def draw(panel, image, times, phase):
    names = list(dict.fromkeys(name for name, _, _ in times))[::-1]
    for schedule, colour, shift in zip(SCHEDULES, ("#0072b2", "#e69f00"), (0.15, -0.15)):
        figures = [of(times, name, schedule, phase) for name in names]
        places = [index + shift for index in range(len(names))]
        panel.plot(figures, places, "o", color=colour, label=schedule)
        for figure, place in zip(figures, places):
            panel.annotate(f"{figure:.2f}", (figure, place), (6, -3), textcoords="offset points", fontsize=8)
    panel.set_yticks(range(len(names)), names)
    panel.set_xscale("log")
    panel.margins(x=0.25)
    panel.grid(axis="y", alpha=0.3)
    panel.set_title(f"{image[1]}×{image[0]}, {PHASE_NAMES[phase]}")
    panel.set_xlabel("nanoseconds a pixel")
    panel.legend(loc="lower right")


def command():
    return " ".join(["python", "benches/peers.py", *sys.argv[1:]])


def revision():
    folder = Path(__file__).parent
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"], cwd=folder, capture_output=True, text=True
    )
    return found.stdout.strip() or "of unknown revision"
