"""The 40 labels of Fashion-MNIST's own test split that an audit doubts most, as one picture: give the file to write."""

import sys

import numpy as np
from data import groups, part, shipped
from PIL import Image, ImageDraw, ImageFont

from audit.reference import audit_reference

COLUMNS, ROWS, SIDE, TEXT = 8, 5, 112, 44


def main() -> None:
    manifest, seen = shipped(), part("test")
    counts = manifest.validation_counts.astype(np.float64)
    p = seen.probabilities(manifest)
    result = audit_reference(p, seen.truth, groups(), model_prior=counts.sum(axis=1), validation_counts=counts, seed=0)
    report, rows = result.report, result.rows
    rate = report.noise_rate
    print(f"flagged {report.flagged}, noise rate {rate.estimate:.4f} ({rate.low:.4f} to {rate.high:.4f})")
    sheet = Image.new("L", (COLUMNS * SIDE, ROWS * (SIDE + TEXT)), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, row in enumerate(np.argsort(-rows.log_odds)[: COLUMNS * ROWS].tolist()):
        x, y = place % COLUMNS * SIDE, place // COLUMNS * (SIDE + TEXT)
        image = Image.fromarray(seen.images[row, :, :, 0]).resize((SIDE - 8, SIDE - 8), Image.Resampling.NEAREST)
        sheet.paste(image, (x + 4, y + 4))
        given, suggested = manifest.classes[seen.truth[row]], manifest.classes[rows.suggested[row]]
        text = f"{row}: {given}\n-> {suggested}\nlog-odds {rows.log_odds[row]:.1f}"
        draw.text((x + 4, y + SIDE - 2), text, fill=0, font=font)
    sheet.save(sys.argv[1])


if __name__ == "__main__":
    main()
