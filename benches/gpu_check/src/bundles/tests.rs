use lossc_runtime::Manifest;
use lossc_runtime::bundle::Processor;

use super::*;

fn write(folder: &Path, file: &str, level: &str, features: &[&str], details: serde_json::Value) {
    let manifest: Manifest = serde_json::from_str(include_str!("../../tests/variance.json")).unwrap();
    let processor = Processor {
        architecture: std::env::consts::ARCH.to_owned(),
        name: level.to_owned(),
        features: features.iter().map(ToString::to_string).collect(),
    };
    let code = Code::Native { processor, object: vec![] };
    let bundle = Bundle { producer: "test".to_owned(), manifest, details, code };
    bundle.write(&folder.join(file)).unwrap();
}

fn found(folder: &Path) -> Vec<(String, String)> {
    let subjects = Machine::Processor.subjects(folder).unwrap();
    let level = |subject: Subject| match subject.bundle.code {
        Code::Native { processor, .. } => (subject.name, processor.name),
        Code::Nvidia { .. } => panic!("it was asked for a processor"),
    };
    subjects.into_iter().map(level).collect()
}

/// The result depends neither on file names nor on the order in which a folder lists them.
#[cfg(target_arch = "x86_64")]
#[test]
fn of_several_levels_of_processors_the_best_that_runs_is_taken() {
    const LEVELS: [(&str, &[&str]); 3] =
        [("v1", &["sse2"]), ("base", &[]), ("v9", &["sse2", "avx9000", "time-travel"])];
    for names in [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["c", "b", "a"]] {
        let folder = tempfile::tempdir().unwrap();
        for (file, (level, features)) in names.iter().zip(LEVELS) {
            write(folder.path(), &format!("{file}.lossc"), level, features, ().into());
        }
        assert_eq!(found(folder.path()), [("variance f32,u8".to_owned(), "v1".to_owned())]);
    }
}

#[test]
fn of_equals_the_first_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["c", "a", "b"] {
        write(folder.path(), &format!("{file}.lossc"), file, &[], ().into());
    }
    assert_eq!(found(folder.path()), [("variance f32,u8".to_owned(), "a".to_owned())]);
}

#[test]
fn a_loss_that_ignores_a_label_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.lossc", "plain", &[], serde_json::json!({ "ignore_index": null }));
    write(folder.path(), "b.lossc", "ignoring", &[], serde_json::json!({ "ignore_index": 255 }));
    let subjects = Machine::Processor.subjects(folder.path()).unwrap();
    let names: Vec<_> = subjects.iter().map(|it| (it.name.as_str(), it.ignores_nothing())).collect();
    assert_eq!(names, [("variance f32,u8", true), ("variance f32,u8 ignoring 255", false)]);
    let labels =
        |subject: &Subject| subject.pixels(&[1, 3000], Kind::OneClass).unwrap().tensors()[1].bytes().to_vec();
    let thirds = |last| [[0; 1000], [1; 1000], [last; 1000]].concat();
    assert_eq!([labels(&subjects[0]), labels(&subjects[1])], [thirds(0), thirds(255)]);
    let bell = subjects[1].pixels(&[64, 64], Kind::Bell).unwrap();
    let ignored = bell.tensors()[1].bytes().iter().filter(|&&label| label == 255).count();
    assert!((400..600).contains(&ignored), "{ignored} of 4096 are ignored");
}
