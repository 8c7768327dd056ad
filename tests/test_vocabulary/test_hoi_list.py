import pytest

from genvlkt_mmdet.vocabulary import read_hoi_list


def test_phrases_and_pairs(tmp_path):
    file = tmp_path / 'phrases.txt'
    file.write_text(
        '\ufeff# what to look for\n'
        'a person feeding a giraffe\n'
        '\n'
        '  ride , horse  \n'
        '   # a remark\n'
        'hop_on\ttraffic light\r\n'
        'stand,\n'
        'sit\t\n',
        encoding='utf-8',
    )
    assert read_hoi_list(file) == [
        'a person feeding a giraffe',
        ('ride', 'horse'),
        ('hop_on', 'traffic light'),
        ('stand', None),
        ('sit', None),
    ]
    assert read_hoi_list(str(file)) == read_hoi_list(file)


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="The list of phrases '.*gone.txt' does not exist: check its path"):
        read_hoi_list(tmp_path / 'gone.txt')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_hoi_list(tmp_path)
    file = tmp_path / 'phrases.txt'
    file.write_bytes(b'a person riding a \xff\xfe horse')
    with pytest.raises(ValueError, match="phrases.txt' is no text in UTF-8"):
        read_hoi_list(file)
    file.write_text('# nothing\n\n')
    with pytest.raises(ValueError, match="phrases.txt' is empty: write a phrase or `verb, object` in each line"):
        read_hoi_list(file)
    file.write_text('ride, horse\nride, horse, cow\n')
    with pytest.raises(ValueError, match="line 2 of '.*phrases.txt' has 3 parts: write a phrase without commas"):
        read_hoi_list(file)
