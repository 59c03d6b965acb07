//! Plots of figures beside Linux's, as SVG.
//!
//! Called by `page`; calls `plotters`, with the one backend that needs no fonts and no files of the machine.
//!
//! Invariant: equal pairs give equal bytes.

use plotters::prelude::*;

/// One line of a plot: its name, ours, and Linux's.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) linux: f64,
}

const WIDTH: u32 = 860;
const ROW: u32 = 46;
const MARGIN: u32 = 110;
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const LINUX: RGBColor = RGBColor(0xb8, 0xb8, 0xb8);
/// Half of the height of a bar, in rows.
const HALF: f64 = 0.2;
/// Rows above the bars that are the legend's.
const LEGEND: f64 = 1.0;

/// Bars of all pairs on one logarithmic scale.
///
/// # Errors
/// What the drawing library says.
pub(crate) fn bars(title: &str, pairs: &[Pair]) -> Result<String, String> {
    let mut out = String::new();
    draw(title, pairs, &mut out).map_err(|error| format!("{title}: {error}"))?;
    Ok(out)
}

fn draw(title: &str, pairs: &[Pair], out: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let rows = pairs.len() as f64;
    let height = MARGIN + ROW * (pairs.len() as u32 + 1);
    let largest = pairs.iter().flat_map(|pair| [pair.ours, pair.linux]).fold(1.0, f64::max);
    let least = pairs.iter().flat_map(|pair| [pair.ours, pair.linux]).fold(largest, f64::min);
    let (from, to) = (10f64.powf(least.log10().floor()), 10f64.powf(largest.log10().ceil()));
    let area = SVGBackend::with_string(out, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(190)
        .build_cartesian_2d((from..to).log_scale(), 0.0..rows + LEGEND)?;
    let name = |at: &f64| {
        let row = at.floor();
        let is_middle = (at - row - 0.5).abs() < 0.01;
        let pair = pairs.len().checked_sub(row as usize + 1).and_then(|index| pairs.get(index));
        pair.filter(|_| is_middle).map_or(String::new(), |pair| pair.name.clone())
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("instructions")
        .x_label_formatter(&|count| grouped(*count))
        .y_labels(2 * pairs.len() + 3)
        .y_label_formatter(&name)
        .light_line_style(WHITE)
        .draw()?;
    for (label, color, shift, value) in [
        ("capOS", OURS, HALF, (|pair| pair.ours) as fn(&Pair) -> f64),
        ("Linux", LINUX, -HALF, |pair| pair.linux),
    ] {
        let bar = |(index, pair): (usize, &Pair)| {
            let middle = rows - index as f64 - 0.5 + shift;
            Rectangle::new([(from, middle - HALF), (value(pair), middle + HALF)], color.filled())
        };
        chart
            .draw_series(pairs.iter().enumerate().map(bar))?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], color.filled()));
        let number = |(index, pair): (usize, &Pair)| {
            let at = (value(pair), rows - index as f64 - 0.5 + shift + 0.12);
            Text::new(format!(" {}", grouped(value(pair))), at, ("sans-serif", 11))
        };
        chart.draw_series(pairs.iter().enumerate().map(number))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    drop(chart);
    Ok(())
}

/// A whole number with a comma before every third digit.
pub(crate) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(["5", "123", "1,234", "1,490,000,000"], [5.0, 123.0, 1234.0, 1.49e9].map(grouped));
    }

    #[test]
    fn equal_pairs_give_equal_bytes_with_every_name_and_number() {
        let pairs = [("spawn", 26864.0, 179355.0), ("touch", 858.0, 3142.0)]
            .map(|(name, ours, linux)| Pair { name: name.to_owned(), ours, linux });
        let plot = bars("operations", &pairs).unwrap();
        assert_eq!(plot, bars("operations", &pairs).unwrap());
        for text in ["operations", "spawn", "touch", "26,864", "179,355", "858", "3,142", "capOS", "Linux"] {
            assert!(plot.contains(text), "{text}: {plot}");
        }
    }
}
