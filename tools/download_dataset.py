"""The verb `genvlkt data download` as a script."""

from genvlkt_start import start

if __name__ == '__main__':
    start('data download')
