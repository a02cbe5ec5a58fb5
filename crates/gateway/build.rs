//! Has the gateway compiled again when the page that it embeds has been built again.

use std::path::Path;

fn main() {
    let built = Path::new("../../dashboard/dist");
    // A path that is not there would count as changed, each time.
    let watched = if built.exists() { "../../dashboard/dist" } else { "../../dashboard" };
    println!("cargo::rerun-if-changed={watched}");
}
