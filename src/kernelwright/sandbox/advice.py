"""What a public detector of kernel cheats says about a source: advice beside the verdict, never the verdict."""

MAX_ADVICE = 20


def advise(source: str) -> tuple[str, ...]:
    """Return one line per finding of kernelguard, at most 20; empty when it finds nothing or cannot read the file."""
    import kernelguard  # noqa: PLC0415  # 50 ms, and only the judge asks

    try:
        found = kernelguard.analyze_code(source, compute_structural_hash=False)["matched_patterns"]
    except Exception as error:  # a detector's own fault must not cost a candidate its verdict
        return (f"kernelguard could not read the file: {type(error).__name__}",)
    lines = [f"kernelguard {hit['severity']} {hit['pattern']}: {hit['evidence']}" for hit in found]
    return tuple(dict.fromkeys(" ".join(line.split())[:300] for line in lines))[:MAX_ADVICE]
