"""``serkit predict``: what an exported model says of WAV files."""

import argparse
import json
import sys
from pathlib import Path

from serkit.commands.engines import add_engine, ray_settings


def add_to(commands) -> None:
    parser = commands.add_parser("predict", help="what an exported model says of WAV files")
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of a SavedModel")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")
    add_engine(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line or two per file; status 1 if a file could not be read."""
    from serkit.serving.predict import Predictor

    if options.engine == "ray":
        from serkit.serving.many import predict_on_ray

        found = predict_on_ray(options.model, options.files, ray_settings(options))
    else:
        found = Predictor(options.model).predict(options.files)
    bad = 0
    for prediction in found:
        bad += bool(prediction.problem)
        if options.json:
            print(json.dumps(vars(prediction), ensure_ascii=False), flush=True)
        elif prediction.problem:
            print(f"serkit predict: {prediction.file}: {prediction.problem}", file=sys.stderr)
        else:
            ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
            listed = "  ".join(f"{label} {share:.3f}" for label, share in ranked)
            print(f"{prediction.file}: {prediction.label}\n   {listed}", flush=True)
    return 1 if bad else 0
