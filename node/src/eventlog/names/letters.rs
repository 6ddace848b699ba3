//! Letters of European languages in ASCII. Must never give anything but ASCII.

/// A letter in ASCII: umlauts as in German writing without them, others without their accent. A sign that is no such
/// letter becomes a space.
pub(super) fn folded(sign: char) -> &'static str {
    match sign {
        'ä' | 'Ä' | 'æ' | 'Æ' => "ae",
        'ö' | 'Ö' | 'œ' | 'Œ' => "oe",
        'ü' | 'Ü' => "ue",
        'ß' | 'ẞ' => "ss",
        'à'..='ã' | 'À'..='Ã' | 'å' | 'Å' | 'Ā'..='ą' => "a",
        'ç' | 'Ç' | 'Ć'..='č' => "c",
        'ď' | 'Ď' | 'đ' | 'Đ' | 'ð' | 'Ð' => "d",
        'è'..='ë' | 'È'..='Ë' | 'Ē'..='ě' => "e",
        'Ĝ'..='ģ' => "g",
        'Ĥ'..='ħ' => "h",
        'ì'..='ï' | 'Ì'..='Ï' | 'Ĩ'..='ı' => "i",
        'ĵ' | 'Ĵ' => "j",
        'ķ' | 'Ķ' => "k",
        'Ĺ'..='ł' => "l",
        'ñ' | 'Ñ' | 'Ń'..='ň' => "n",
        'ò'..='õ' | 'Ò'..='Õ' | 'ø' | 'Ø' | 'Ō'..='ő' => "o",
        'Ŕ'..='ř' => "r",
        'Ś'..='š' | 'ș' | 'Ș' => "s",
        'Ţ'..='ŧ' | 'ț' | 'Ț' => "t",
        'þ' | 'Þ' => "th",
        'ù'..='û' | 'Ù'..='Û' | 'Ũ'..='ų' => "u",
        'ŵ' | 'Ŵ' => "w",
        'ý' | 'ÿ' | 'Ý' | 'Ŷ'..='Ÿ' => "y",
        'Ź'..='ž' => "z",
        // A combining accent says nothing without its letter, which has been written.
        '\u{300}'..='\u{36f}' => "",
        _ => ascii(sign),
    }
}

/// The sign as text if it is a letter or digit of ASCII.
fn ascii(sign: char) -> &'static str {
    const LETTERS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
    let small = sign.to_ascii_lowercase();
    match LETTERS.find(small) {
        Some(at) => LETTERS.get(at..=at).unwrap_or(" "),
        None => " ",
    }
}
