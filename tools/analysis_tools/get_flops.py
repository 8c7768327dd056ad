"""The verb `genvlkt analyze flops` as a script."""

from genvlkt_start import start

if __name__ == '__main__':
    start('analyze flops')
