from genvlkt_mmdet.text_table import text_table


def test_cells_stand_as_they_are_at_any_length():
    long = 'a person riding a horse ' * 20
    lines = text_table(['[class]', 'AP'], [[long, '33.75'], ['[red]:smile:', '-']]).splitlines()
    width = len(long) + 2
    assert lines == [
        f'+{"-" * width}+-------+',
        f'| {"[class]":{width - 2}} | AP    |',
        f'+{"-" * width}+-------+',
        f'| {long} | 33.75 |',
        f'| {"[red]:smile:":{width - 2}} | -     |',
        f'+{"-" * width}+-------+',
    ]
