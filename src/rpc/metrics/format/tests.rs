use super::*;

#[test]
fn who_likes_plain_text_better_gets_it() {
    for accept in [
        "",
        "*/*",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.3",
        "text/html",
    ] {
        assert_eq!(Format::of(accept), Format::OpenMetrics, "{accept}");
    }
    for accept in [
        "text/plain",
        "text/plain; version=0.0.4",
        "Text/Plain;q=0.9, application/openmetrics-text;q=0.5",
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    ] {
        assert_eq!(Format::of(accept), Format::Plain, "{accept}");
    }
}

#[test]
fn the_older_format_names_counters_as_their_samples_are_named() {
    let open = "# HELP e_requests Requests read.\n# TYPE e_requests counter\ne_requests_total 3\n\
                    # HELP e_open Connections.\n# TYPE e_open gauge\ne_open 2\n\
                    # HELP e_look_seconds Time.\n# TYPE e_look_seconds histogram\n# UNIT e_look_seconds seconds\n\
                    e_look_seconds_sum 0.5\n# EOF\n";
    let plain = "# HELP e_requests_total Requests read.\n# TYPE e_requests_total counter\ne_requests_total 3\n\
                     # HELP e_open Connections.\n# TYPE e_open gauge\ne_open 2\n\
                     # HELP e_look_seconds Time.\n# TYPE e_look_seconds histogram\n\
                     e_look_seconds_sum 0.5\n";
    assert_eq!(Format::Plain.write(open.to_owned()), plain);
    assert_eq!(Format::OpenMetrics.write(open.to_owned()), open);
}
