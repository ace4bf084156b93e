//! Loading ONNX Runtime: a process has one, so this story has a process of its own and is told in order.

use std::path::Path;

use spotter::model::{Runtime, RuntimeError};

#[test]
fn a_library_that_was_asked_for_is_loaded_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "not a library").expect("a file");

    let refused = |path: &Path| match Runtime::load(Some(path)) {
        Err(RuntimeError::Unusable { asked_by: "[runtime] onnxruntime", why, .. }) => why,
        other => panic!("{other:?}"),
    };
    for path in [text.as_path(), folder.path(), &folder.path().join("missing.so")] {
        let why = refused(path);
        let reason = why.strip_prefix("it is no library that can be loaded here: ");
        // The system's own words, which name the file.
        assert!(reason.is_some_and(|why| why.contains(&path.display().to_string())), "{why}");
    }
    if cfg!(target_os = "linux") {
        assert_eq!(refused(Path::new("libm.so.6")), "it is a library, but not ONNX Runtime");
    }

    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    assert!(runtime.version().starts_with("1."), "{runtime:?}");
    let again = Runtime::load(Some(runtime.path())).expect("the same library");
    assert_eq!(again.path(), runtime.path());
    match Runtime::load(Some(&text)) {
        Err(error @ RuntimeError::AlreadyLoaded { .. }) => {
            assert!(error.to_string().contains(&text.display().to_string()), "{error}");
        }
        other => panic!("{other:?}"),
    }
}
