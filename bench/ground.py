"""What all benchmarks stand on: the programs, the model files, the machine."""

import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build/bench"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "manta"
SHIPPED = "SmolLM2-135M-Instruct.Q4_1.gguf"


def say(text, end="\n"):
    sys.stderr.write(f"\r\033[K{text}{end}" if sys.stderr.isatty() else f"{text}\n" if end else "")
    sys.stderr.flush()


def end_on_sigterm():
    """Leave through the with-blocks, which end the servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def program(build, name):
    """From the build, or an installed one."""
    for path in (build / name, build / "bin" / name, shutil.which(name)):
        if path and Path(path).exists():
            return Path(path)
    sys.exit(f"bench: {name} is neither in {build} nor installed. `make bench` builds it.")


def model_file(name, build):
    """q4_0 is made once from the shipped file; on a CPU it is the faster format."""
    shipped = Path(os.environ.get("MANTA_MODELS_DIR") or CACHE / "models") / SHIPPED
    if not shipped.exists():
        sys.exit(f"bench: {shipped} is not there. `make setup` fetches it.")
    if name == "q4_1":
        return shipped
    made = CACHE / "bench" / SHIPPED.replace("Q4_1", "Q4_0")
    if not made.exists():
        say(f"making {made}")
        made.parent.mkdir(parents=True, exist_ok=True)
        part = made.with_suffix(".part")
        argv = [program(build, "llama-quantize"), "--allow-requantize", shipped, part, "Q4_0", "2"]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part.rename(made)
    return made


def others():
    """A warning when the processors have other work: engines that spin then measure the neighbours."""
    load_average = os.getloadavg()[0]
    return f" **Not alone: the load average was {load_average:.1f} at the start.**" if load_average > 0.7 else ""


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} processors"
