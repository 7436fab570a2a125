"""The tables: one line per number, marked against its target. They are Markdown that also reads as text."""

from statistics import median


def mark(value, target):
    if target is None:
        return "", ""
    relation, bound = target
    met = value <= bound if relation == "<=" else value >= bound
    return f"{relation} {bound:g}", "ok" if met else "MISSED"


def plain(value, unit):
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [head, ["-" * w for w in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |" for line in lines)


def pair_rows(pairs):
    for i, number in enumerate(pairs.case.numbers):
        ratios = pairs.ratios(i)
        ratio = median(ratios)
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
        values = [plain(pairs.median(server, i), number.unit) for server in ("manta", "llama-server")]
        yield [pairs.case.title, number.name, *values, f"{ratio:.2f}", spread, *mark(ratio, number.target)]


def pairs_table(all_pairs):
    head = ["load", "number", "manta", "llama-server", "ratio", "min–max", "target", ""]
    return table(head, [row for pairs in all_pairs for row in pair_rows(pairs)])


def facts_table(facts):
    rows = [[f.title, plain(f.mb, "MB"), f.note, *mark(f.mb, f.target)] for f in facts]
    return table(["memory", "", "", "target", ""], rows)


def remarks(all_pairs):
    """What a reader must know before believing the ratios."""
    for pairs in all_pairs:
        counts = pairs.prompt_tokens  # 0: the streams were cut short, before the server had counted
        if all(counts.values()) and counts["manta"] != counts["llama-server"]:
            yield f"{pairs.case.title}: the prompts had {counts['manta']} tokens in manta and {counts['llama-server']} in llama-server"
        for server, share in pairs.idle_cpu.items():
            if share > 0.02:
                yield f"{pairs.case.title}: {server} used {share:.0%} of a processor while idle"
    same, streams = sum(p.same_text for p in all_pairs), sum(p.streams for p in all_pairs)
    if streams:
        yield f"same text from both servers in {same} of {streams} streams"


def pairs_json(pairs):
    names = [n.name for n in pairs.case.numbers]
    return {"load": pairs.case.title, "slots": pairs.case.slots, "context": pairs.case.context,
            "runs": {server: [dict(zip(names, run)) for run in runs] for server, runs in pairs.values.items()},
            "prompt_tokens": pairs.prompt_tokens, "idle_cpu": pairs.idle_cpu,
            "same_text": pairs.same_text, "streams": pairs.streams}
