//! probe
fn main() {
    let mut c = charts_rs::LineChart::new_with_theme(
        vec![charts_rs::Series::new_nullable("访客 <a>&".into(), vec![Some(1234567.0), None, Some(234567.0), Some(345.0)])],
        vec!["5月1日".into(), "b".into(), "c".into(), "d".into()],
        charts_rs::THEME_LIGHT,
    );
    c.width = 400.0; c.height=200.0;
    c.tooltip.show = true;
    c.series.label.formatter = "\u{E000}{c}\u{E001}".into();
    c.y_axis_configs[0].formatter = Some("\u{E000}{c}\u{E001}".into());
    c.y_axis_configs[0].split_number = 4;
    c.y_axis_configs[0].max = Some(2_000_000.0);
    c.y_axis_configs[0].min = Some(0.0);
    println!("{}", c.svg().unwrap());
}
