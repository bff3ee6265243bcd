//! Patients in few bytes: of very many machines it has to be known whose lines theirs would be.

use bedside_stream::{RunId, Voice};

use super::case::Patient;

/// A patient but for the number of its run, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed(Box<str>);

impl Packed {
    pub(super) fn of(patient: &Patient) -> Packed {
        let Patient { run: _, root, boot, source, release, voice, host } = patient;
        let (length, release) = match release {
            Some(release) => (release.len().to_string(), release.as_str()),
            None => ("-".to_owned(), ""),
        };
        let text =
            format!("{} {boot} {source} {} {length} {release}{host}", root.0, voice.as_str());
        Packed(text.into_boxed_str())
    }

    /// The patient, whose run this is.
    pub(super) fn unpack(&self, run: RunId) -> Option<Patient> {
        let mut parts = self.0.splitn(6, ' ');
        let root = RunId(parts.next()?.parse().ok()?);
        let (boot, source) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let voice = Voice::parse(parts.next()?.as_bytes())?;
        let (length, names) = (parts.next()?, parts.next()?);
        let (release, host) = match length {
            "-" => (None, names),
            length => {
                let (release, host) = names.split_at_checked(length.parse().ok()?)?;
                (Some(release.to_owned()), host)
            }
        };
        Some(Patient { run, root, host: host.to_owned(), boot, source, release, voice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_are_comes_out_again() {
        for source in ["10.0.0.7:6665", "[fd00::7]:1"] {
            for release in [None, Some("6.1.0-50-amd64"), Some(""), Some("\u{fffd} 3 x")] {
                for host in ["web1", "", "- a\nb", "\u{fffd}"] {
                    let patient = Patient {
                        run: RunId(7),
                        root: RunId(3),
                        host: host.to_owned(),
                        boot: 2,
                        source: source.parse().unwrap(),
                        release: release.map(str::to_owned),
                        voice: Voice::Copied,
                    };
                    assert_eq!(Packed::of(&patient).unpack(RunId(7)), Some(patient));
                }
            }
        }
    }
}
