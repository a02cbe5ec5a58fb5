//! Has the gateway compiled anew when the page that it holds has been built anew.

use std::path::Path;

fn main() {
    let built = Path::new("../../dashboard/dist");
    // A path that is not there would count as changed, each time.
    let watched = if built.exists() { "../../dashboard/dist" } else { "../../dashboard" };
    println!("cargo::rerun-if-changed={watched}");
}
