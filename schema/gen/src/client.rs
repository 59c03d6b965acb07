//! stub
use crate::model::Interface;
use crate::output::File;
pub(crate) fn files(_: &[Interface]) -> Vec<File> {
    Vec::new()
}
