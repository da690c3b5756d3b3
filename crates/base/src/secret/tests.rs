//! Texts as they are met, and what is shown of them.

use super::*;

#[test]
fn masks_user_information_of_urls() {
    let vectors = [
        (
            "ffmpeg:rtsp://username:password@10.1.2.3:554/stream1",
            "ffmpeg:rtsp://***@10.1.2.3:554/stream1",
        ),
        (
            "ffmpeg:rtsp://10.1.2.3:554/stream1@#video=copy",
            "ffmpeg:rtsp://10.1.2.3:554/stream1@#video=copy",
        ),
        ("a rtsp://u:p@h b http://x:y@z", "a rtsp://***@h b http://***@z"),
        ("rtsp://rtsp://u:p@h", "rtsp://rtsp://***@h"),
        ("://@", "://@"),
        ("http://h/x?user=a&token=s3cret&b=1", "http://h/x?user=a&token=***&b=1"),
        ("http://h/x?PWD=s3cret#video=copy", "http://h/x?PWD=***#video=copy"),
        ("http://h/x?key=&tokens=1&a", "http://h/x?key=&tokens=1&a"),
        (
            "ffmpeg -headers \"Authorization: Bearer s3cret\" -i x",
            "ffmpeg -headers \"Authorization: ***\" -i x",
        ),
        ("authorization:", "authorization:"),
        (
            "http://h/#header=X-Door-Key: s3cret#timeout=5",
            "http://h/#header=X-Door-Key: ***#timeout=5",
        ),
        ("http://h/#header=Accept: text/html", "http://h/#header=Accept: text/html"),
        ("curl -H 'Cookie: id=s3cret' http://h", "curl -H 'Cookie: ***' http://h"),
        ("{\"url\":\"rtsp://h\",\"mail\":\"a@b\"}", "{\"url\":\"rtsp://h\",\"mail\":\"a@b\"}"),
        ("[\"rtsp://u:p@h\"]", "[\"rtsp://***@h\"]"),
        ("http://h:80/a?m=x@y", "http://h:80/a?m=x@y"),
        ("http://h?m=x:y@z", "http://h?m=x:y@z"),
        ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
    ];
    for (input, output) in vectors {
        assert_eq!(Redacted(input).to_string(), output);
        assert_eq!(Redacted(output).to_string(), output, "again");
    }
}

/// People choose them, and sources with them are dialled.
#[test]
fn passwords_of_any_characters_are_masked() {
    for odd in
        "\u{2039} # @ ? \" ^ [ ] { } < > | \\ ` ' ä 密 ! $ & ( ) * + , ; = : % ~ /".split(' ')
    {
        // Behind the colon these three end the address of who dials it.
        let first = if matches!(odd, "#" | "?" | "/") { "p" } else { "" };
        let passwords = [
            format!("pa{odd}word"),
            format!("{first}{odd}word"),
            format!("pass{odd}{odd}w"),
            format!("p@ss{odd}w"),
            format!("p{odd}ss@w"),
            format!("p@s{odd}s@w"),
        ];
        for password in passwords {
            let url = format!("rtsp://admin:{password}@10.1.2.3:554/stream1");
            let masked = "rtsp://***@10.1.2.3:554/stream1";
            assert_eq!(Redacted(&url).to_string(), masked, "{url}");
            let text = format!("dial {url} failed, ffmpeg:{url}#video=copy");
            let expected = format!("dial {masked} failed, ffmpeg:{masked}#video=copy");
            assert_eq!(Redacted(&text).to_string(), expected);
        }
    }
}

#[test]
fn addresses_stay_legible_beside_a_mask() {
    for (text, masked) in [
        ("rtsp://u:p@h/live/ch1@main", "rtsp://***@h/live/ch1@main"),
        ("http://u:p@h:80/x?to=a@b.c", "http://***@h:80/x?to=a@b.c"),
        ("http://u@h/x?to=a@b.c", "http://***@h/x?to=a@b.c"),
        ("http://h/x?to=a@b.c", "http://h/x?to=a@b.c"),
        ("rtsp://u:p@h/1,rtsp://u:q@g.h/2", "rtsp://***@h/1,rtsp://***@g.h/2"),
        ("ffmpeg:http://u:p@h/x#input=rtsp://u:p@g", "ffmpeg:http://***@h/x#input=rtsp://***@g"),
    ] {
        assert_eq!(Redacted(text).to_string(), masked);
    }
}

#[test]
fn names_that_are_clear_hide_what_follows_wherever_they_stand() {
    for (text, masked) in [
        (
            "rtsp://h/user=admin_password=Se_cr3t_channel=1_stream=0.sdp",
            "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
        ),
        ("rtsp://admin:CAN sp@h:554/s failed", "rtsp://***@h:554/s failed"),
        ("exec:curl --token=x 'http://h'", "exec:curl --token=*** 'http://h'"),
        ("exec:env PASSWORD=x curl", "exec:env PASSWORD=*** curl"),
        ("exec:curl -u admin:x http://h/a", "exec:curl -u *** http://h/a"),
        ("exec:curl -u admin http://h", "exec:curl -u admin http://h"),
        ("exec:x --password x y", "exec:x --password *** y"),
        ("exec:x --password 'x y' z", "exec:x --password '***' z"),
        ("exec:x --password", "exec:x --password"),
        ("exec:x --password --force", "exec:x --password --force"),
        ("ffmpeg -headers 'X-Key: k' -i {input}", "ffmpeg -headers '***' -i {input}"),
        ("exec:gst rtspsrc user-pw=x ! y", "exec:gst rtspsrc user-pw=*** ! y"),
        ("demo:?size=1&fps=2#audio=opus", "demo:?size=1&fps=2#audio=opus"),
        (
            "ffmpeg -rtsp_transport tcp -i rtsp://h:554/a -f rtsp {output}",
            "ffmpeg -rtsp_transport tcp -i rtsp://h:554/a -f rtsp {output}",
        ),
        ("to rtsp://h:x failed, mail", "to rtsp://h:x failed, mail"),
        ("exec:PASSWORD=x ffmpeg -i y", "exec:PASSWORD=*** ffmpeg -i y"),
        ("exec:sh -c 'CAM_PASS=x PGPASSWORD=y z'", "exec:sh -c 'CAM_PASS=*** PGPASSWORD=*** z'"),
        ("AWS_SECRET_ACCESS_KEY=x AUTH=y a", "AWS_SECRET_ACCESS_KEY=*** AUTH=*** a"),
        ("exec:env PASSWORD=\"x y\" z", "exec:env PASSWORD=\"***\" z"),
        ("exec:sh -c \"PASSWORD='x y' z\"", "exec:sh -c \"PASSWORD='***' z\""),
        (r#"sh -c \"TOKEN=\\\"x y\\\" z\""#, r#"sh -c \"TOKEN=\\\"***\\\" z\""#),
        ("PASSWORD=\"x y", "PASSWORD=\"***"),
        ("PASSWORD=\"\" z", "PASSWORD=\"\" z"),
        ("PATH=/bin LANG=C x", "PATH=/bin LANG=C x"),
        ("exec:ffmpeg -g keyint=30", "exec:ffmpeg -g keyint=30"),
        ("exec:curl --user=admin:x http://h", "exec:curl --user=*** http://h"),
        ("exec:curl --user=admin http://h", "exec:curl --user=admin http://h"),
        (
            "rtmp://192.168.1.5/bcs/channel0_main.bcs?channel=0&user=admin&password=x",
            "rtmp://192.168.1.5/bcs/channel0_main.bcs?channel=0&user=admin&password=***",
        ),
        ("rtmp://u:p@h/live2/a1b2-c3d4-e5f6", "rtmp://***@h/live2/***"),
    ] {
        assert_eq!(Redacted(text).to_string(), masked);
    }
}

#[test]
fn masks_listed_secrets() {
    let text = "rtsp://admin:pa$$word@192.168.1.123/stream1";
    assert_eq!(mask(text, ["admin", "pa$$word"]), "rtsp://***@192.168.1.123/stream1");
    assert_eq!(mask("token abcd", ["abcd", "t"]), "token ***");
    assert_eq!(format!("{:?} {}", Secret::new("x"), Secret::new("x")), "*** ***");
}

/// Secrets of every sort of quotation, and in what programs are given.
#[test]
fn quoted_values_and_arguments_are_masked_whole() {
    for (text, masked) in [
        ("exec:env PASSWORD='x y' z", "exec:env PASSWORD='***' z"),
        ("x --token='ge heim' y", "x --token='***' y"),
        ("x --password=\"ge heim\" y", "x --password=\"***\" y"),
        ("rtspsrc user-pw=\"x\" ! y", "rtspsrc user-pw=\"***\" ! y"),
        ("x '--token=ge heim' y", "x '--token=***' y"),
        ("http://h/?token=ge'heim&b=1", "http://h/?token=***&b=1"),
        ("curl 'http://h/?token=x' -v", "curl 'http://h/?token=***' -v"),
        ("{\"a\":\"http://h?token=x\",\"b\":1}", "{\"a\":\"http://h?token=***\",\"b\":1}"),
        (r#"{"a":"x \"http://h?token=x\" y"}"#, r#"{"a":"x \"http://h?token=***\" y"}"#),
        ("http://h/x?pwd=pa#ss", "http://h/x?pwd=***"),
        ("http://h/x?pwd=pa#ss#video=copy", "http://h/x?pwd=***#video=copy"),
        ("curl\n-u admin:x\nhttp://h", "curl\n-u ***\nhttp://h"),
        ("curl\t-u\tadmin:x", "curl\t-u\t***"),
        ("curl \"-u\" \"admin:x\" h", "curl \"-u\" \"***\" h"),
        ("curl -uadmin:x h", "curl -u*** h"),
        ("curl -u admin:pa'ss h", "curl -u *** h"),
        ("curl -u admin:pa#ss h", "curl -u *** h"),
        ("exec:curl h -u admin:x#killsignal=9", "exec:curl h -u ***#killsignal=9"),
        ("curl --proxy-user a:x h", "curl --proxy-user *** h"),
        ("curl --header='X-Key: x y' h", "curl --header='***' h"),
        ("curl -H 'X-Key: x' h", "curl -H '***' h"),
        ("curl -HX-Key:x h", "curl -H*** h"),
        ("ffmpeg -cookies 'id=x; b=y' -i z", "ffmpeg -cookies '***' -i z"),
        ("ffmpeg -headers $'X-Key: x\\r\\n' -i z", "ffmpeg -headers $'***' -i z"),
        ("x --password ge'heim y", "x --password *** y"),
        ("sh -c \"curl -u admin:x 'http://h'\"", "sh -c \"curl -u *** 'http://h'\""),
        ("{\"src\":\"exec:curl -u admin:x http://h\"}", "{\"src\":\"exec:curl -u *** http://h\"}"),
        (r#"x "a \"-u\" \"b:c\" d""#, r#"x "a \"-u\" \"***\" d""#),
        ("curl --password geheim host", "curl --password *** host"),
        ("--token geheim", "--token ***"),
        (
            "http://h/?access_key=x&authkey=x&auth_key=y",
            "http://h/?access_key=***&authkey=***&auth_key=***",
        ),
        ("http://h/?streamkey=x&jwt=y&sign=z", "http://h/?streamkey=***&jwt=***&sign=***"),
        ("http://h/?X-Amz-Signature=x&session=y", "http://h/?X-Amz-Signature=***&session=***"),
        (
            "http://h/?p%61ssword=x&%70%77d=y&%zz=1&%",
            "http://h/?p%61ssword=***&%70%77d=***&%zz=1&%",
        ),
        ("ffmpeg -passphrase x -cryptokey y -i z", "ffmpeg -passphrase *** -cryptokey *** -i z"),
        ("ffmpeg -decryption_key x -i z", "ffmpeg -decryption_key *** -i z"),
        ("x --auth a --key b --pass c d", "x --auth *** --key *** --pass *** d"),
        ("ngrok tcp 8555 --authtoken x", "ngrok tcp 8555 --authtoken ***"),
        ("dial u:pw@host/x", "dial ***@host/x"),
        ("u:pw@host", "***@host"),
        ("rtsp:/u:pw@h/x //u:pw@h/y", "rtsp:/***@h/x //***@h/y"),
        ("ffmpeg:srt://h:9000?passphrase=x", "ffmpeg:srt://h:9000?passphrase=***"),
        ("rtsp://h/user=a_password=a_b=c_channel=1", "rtsp://h/user=a_password=***_channel=1"),
        ("can't open the file: a=b 'c d'", "can't open the file: a=b 'c d'"),
        ("a - b -- c -c:v copy -f -u", "a - b -- c -c:v copy -f -u"),
    ] {
        assert_eq!(Redacted(text).to_string(), masked);
        assert_eq!(Redacted(masked).to_string(), masked, "again");
        assert!(may_hold_secret(text), "{text}");
    }
    for text in ["", "porch", "front-door", "a b", "2026-11-29", "can't"] {
        assert!(!may_hold_secret(text), "{text}");
    }
}

/// `Url::parse` reads these, and they are dialled.
#[test]
fn passwords_with_spaces_are_masked() {
    for userinfo in [
        "admin:1234 5678",
        "my user:geheim",
        "admin:a'b c",
        "admin:ab c'd",
        "admin:p@a b",
        "admin:a b@c",
        "admin:CAN sp",
        "a:b c d e",
    ] {
        for (head, tail) in [("", ""), ("dial ", "/x failed"), ("[\"", ":554/x\", \"a@b\"]")] {
            let text = format!("{head}rtsp://{userinfo}@h{tail}");
            assert_eq!(Redacted(&text).to_string(), format!("{head}rtsp://***@h{tail}"), "{text}");
        }
    }
    for text in [
        "rtsp://10.1.2.3:554/x failed, mail a@b",
        "rtsp://***@h/x failed, mail a@b",
        "rtsp://h failed\nto y@z",
        "rtsp://***@10.1.2.3 failed, mail x: a@b",
        "rtsp://***@h:554 failed, mail x: a@b",
    ] {
        assert_eq!(Redacted(text).to_string(), text);
    }
}

#[test]
fn what_is_dialled_stays_legible() {
    for (text, masked) in [
        (
            "rtsp://u:p@192.168.1.5/snap/user@example.com",
            "rtsp://***@192.168.1.5/snap/user@example.com",
        ),
        ("rtsp://u:p@h:554/snap/user@example.com", "rtsp://***@h:554/snap/user@example.com"),
        ("rtsp://u:p@[::1]:554/a@b.c", "rtsp://***@[::1]:554/a@b.c"),
        ("rtsp://u:p@::1/a@b.c", "rtsp://***@::1/a@b.c"),
    ] {
        assert_eq!(Redacted(text).to_string(), masked);
    }
}

#[test]
fn masks_that_come_back_are_known() {
    for text in [
        "rtsp://***@h/x",
        "http://h/?token=***",
        "exec:curl -u *** http://h",
        "exec:x --password ***",
        "x --token=***",
        "ffmpeg -headers *** -i x",
        "http://h/#header=X-Key: ***",
        "rtsp://h/user=a_password=***_channel=1",
        "rtmp://h/live/***",
        "exec:PASSWORD='***' x",
        "Cookie: ***",
        "rtsp://***@h/***",
    ] {
        assert!(holds_mask(text), "{text}");
    }
    for text in [
        "",
        "***",
        "# *** section ***",
        "rtsp://h/x",
        "exec:x *** y",
        "rtsp://u:p@h/***",
        "http://h/?a=***",
    ] {
        assert!(!holds_mask(text), "{text}");
    }
}

/// A description of a megabyte comes from any camera: with work that grows with the square
/// of the text each of these would take minutes.
#[test]
fn long_texts_take_no_longer_than_their_length_asks_for() {
    for part in [
        "://",
        "://a:b ",
        "://a:@",
        "://a:b@c/",
        "a=",
        "PASSWORD=\"\"",
        "password=_",
        "token='",
        "@",
        "?",
        "#",
        "://a:b@c/?#",
        "'",
        "\"",
        "\\\"",
        " -u ",
        " -u='",
        "--token=\"",
        " -",
        ": ",
        "Cookie:",
        "header=x:",
        "rtmp://a/b/",
        "_",
        "a",
        " ",
        "$'",
        "-a=' ",
        "'-u",
        "\"'",
        "' \"",
    ] {
        for head in ["", "rtsp://a:b@c?", "x '", "--token="] {
            let text = format!("{head}{}", part.repeat((1 << 18) / part.len()));
            assert!(Redacted(&text).to_string().len() <= 2 * text.len() + 16);
            let _ = (may_hold_secret(&text), holds_mask(&text));
        }
    }
}

#[test]
fn any_part_of_a_text_can_be_masked() {
    let text = "\u{e4}://\u{e4}:\u{df} \u{e4}@\u{e4}/?token=\u{e4}'\u{e4}#\u{e4}=\u{e4} -u \u{e4}:\u{e4} \
        --header='\u{e4}: \u{e4}' \\\"\u{e4}\\\" Cookie: \u{e4} PASSWORD=\"\u{e4} \u{e4}\" \u{e4}";
    for (at, _) in text.char_indices() {
        for part in [&text[at..], &text[..at]] {
            let masked = Redacted(part).to_string();
            assert_eq!(masked.contains("***"), masked != part);
        }
    }
}
