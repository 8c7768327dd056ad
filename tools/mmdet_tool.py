"""Runs a script of MMDetection on the configs and checkpoints of this package.

Examples:
    python tools/mmdet_tool.py browse_dataset configs/gen_vlkt_s_hico.py --output-dir browse --not-show
    python tools/mmdet_tool.py analyze_logs plot_curve scalars.json --keys loss --out loss.png
"""

import genvlkt_mmdet  # noqa: F401, I001  (first: it makes the imports of mmdet possible)

import argparse

from genvlkt_mmdet.engine import command, mmdet_tools, run_mmdet_tool


@command(FileNotFoundError)
def main() -> None:
    """Runs the script that the command line names."""
    parser = argparse.ArgumentParser(
        description='Run a script of MMDetection', epilog=f'Scripts: {", ".join(mmdet_tools())}'
    )
    parser.add_argument('name', help='name of the script, such as browse_dataset')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, help='its command line')
    args = parser.parse_args()
    run_mmdet_tool(args.name, args.arguments)


if __name__ == '__main__':
    main()
