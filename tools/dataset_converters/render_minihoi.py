"""The verb `genvlkt data render` as a script."""

from genvlkt_start import start

if __name__ == '__main__':
    start('data render')
