"""The verb `genvlkt analyze robustness` as a script."""

from genvlkt_start import start

if __name__ == '__main__':
    start('analyze robustness')
