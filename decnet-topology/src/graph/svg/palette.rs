use std::fmt::Write as _;

/// The colours of a picture, as `#rrggbb`.
struct Palette {
    canvas: &'static str,
    text: &'static str,
    /// Text of less importance.
    quiet: &'static str,
    line: &'static str,
    lan: &'static str,
    lan_line: &'static str,
    dmz: &'static str,
    dmz_line: &'static str,
    decky: &'static str,
    router: &'static str,
    gateway: &'static str,
}

const LIGHT: Palette = Palette {
    canvas: "#ffffff",
    text: "#111827",
    quiet: "#374151",
    line: "#475569",
    lan: "#dbeafe",
    lan_line: "#1d4ed8",
    dmz: "#fee2e2",
    dmz_line: "#b91c1c",
    decky: "#f8fafc",
    router: "#fde68a",
    gateway: "#bbf7d0",
};

const DARK: Palette = Palette {
    canvas: "#0b1120",
    text: "#f8fafc",
    quiet: "#cbd5e1",
    line: "#94a3b8",
    lan: "#1e3a5f",
    lan_line: "#7dafff",
    dmz: "#5b1a1a",
    dmz_line: "#fca5a5",
    decky: "#1f2937",
    router: "#573a08",
    gateway: "#14432a",
};

/// Shapes that do not depend on the colours. Selectors begin with the class of the picture, for pages that contain several.
const SHAPES: &str = "\
.decnet-map text{font-family:ui-monospace,\"DejaVu Sans Mono\",Menlo,Consolas,monospace;font-size:11px}\
.decnet-map .name{font-size:12px;font-weight:bold}\
.decnet-map .link-label{font-size:10px;paint-order:stroke;stroke-width:3px;stroke-linejoin:round}\
.decnet-map .box{stroke-width:1.5}.decnet-map .dmz .box{stroke-width:3}\
.decnet-map .link{fill:none;stroke-width:1.2;stroke-dasharray:5 4}\
.decnet-map .forwards .link{stroke-width:2.2;stroke-dasharray:none}\
.decnet-map .row{stroke-width:1}.decnet-map .bridge .row{stroke-dasharray:5 3}\
.decnet-map .router .row,.decnet-map .gateway .row{stroke-width:2}\
.decnet-map .degraded .row{stroke-width:3;stroke-dasharray:10 3}\
.decnet-map .gone .row{stroke-width:1;stroke-dasharray:1 3}\
.decnet-map g:focus{outline:2px solid}";

impl Palette {
    fn write(&self, out: &mut String) {
        let Self {
            canvas,
            text,
            quiet,
            line,
            lan,
            lan_line,
            dmz,
            dmz_line,
            decky,
            router,
            gateway,
        } = self;
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            ".decnet-map .canvas{{fill:{canvas}}}.decnet-map text{{fill:{text}}}.decnet-map .quiet{{fill:{quiet}}}\
             .decnet-map .link-label{{fill:{quiet};stroke:{canvas}}}.decnet-map .link{{stroke:{line}}}\
             .decnet-map .arrow{{fill:{line}}}\
             .decnet-map .box{{fill:{lan};stroke:{lan_line}}}.decnet-map .dmz .box{{fill:{dmz};stroke:{dmz_line}}}\
             .decnet-map .row{{fill:{decky};stroke:{line}}}.decnet-map .router .row{{fill:{router}}}\
             .decnet-map .gateway .row{{fill:{gateway}}}"
        );
    }
}

/// Returns the style sheet: light, and dark where the reader prefers it.
pub(super) fn style() -> String {
    let mut style = SHAPES.to_owned();
    LIGHT.write(&mut style);
    style.push_str("@media(prefers-color-scheme:dark){");
    DARK.write(&mut style);
    style.push('}');
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of WCAG 2.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_text_has_enough_contrast_on_every_background() {
        assert!((contrast("#ffffff", "#000000") - 21.0).abs() < 0.001);
        for palette in [LIGHT, DARK] {
            for text in [palette.text, palette.quiet] {
                let backgrounds = [
                    palette.canvas,
                    palette.lan,
                    palette.dmz,
                    palette.decky,
                    palette.router,
                    palette.gateway,
                ];
                for background in backgrounds {
                    let ratio = contrast(text, background);
                    assert!(ratio >= 4.5, "{text} on {background}: {ratio:.2}");
                }
            }
            for (line, background) in [
                (palette.line, palette.canvas),
                (palette.line, palette.decky),
                (palette.lan_line, palette.canvas),
                (palette.dmz_line, palette.canvas),
            ] {
                assert!(contrast(line, background) >= 3.0, "{line} on {background}");
            }
        }
    }
}
