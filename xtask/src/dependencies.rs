//! Licences, advisories, duplicates and sources of lossc's dependencies, checked by cargo-deny
//! according to `deny.toml`.
//!
//! cargo-deny wants a clone of the advisory database, which is out of reach for a machine that
//! reaches only a package registry. `advisories.json` holds the known part of it, and is laid out
//! here as a clone would be.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::steps::{run, target, workspace};

/// The version of cargo-deny that `deny.toml` is written for.
const VERSION: &str = "0.20.2";

/// Name of cargo-deny's clone of the default database.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Installs cargo-deny below the target directory, if it is missing, and runs it.
pub fn check() -> Result<(), String> {
    let tools = target().join("tools");
    let list = read_list()?;
    let database = tools.join("advisories").join(DATABASE);
    write_database(&list, &database).map_err(|error| format!("{}: {error}", database.display()))?;
    report(&list, &packages()?);
    install(&tools)?;
    let metadata = tools.join("metadata.json");
    write_metadata(&metadata)?;
    // Without a network it only complains that it cannot fetch what other systems need.
    let mut deny = Command::new(tools.join("bin/cargo-deny"));
    deny.args(["--log-level", "error", "--offline", "--workspace", "--metadata-path"]).arg(&metadata);
    run(deny.args(["check", "--hide-inclusion-graph"]).current_dir(workspace()))
}

fn read_list() -> Result<Value, String> {
    let path = workspace().join("xtask/advisories.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Lays out the list as the database does: one file per advisory, in one folder per package.
fn write_database(list: &Value, database: &Path) -> std::io::Result<()> {
    let crates = database.join("crates");
    if crates.exists() {
        fs::remove_dir_all(&crates)?;
    }
    for advisory in list["advisories"].as_array().into_iter().flatten() {
        let folder = crates.join(text(&advisory["package"]));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{}.md", text(&advisory["id"]))), page(advisory))?;
    }
    // The time of the last fetch of a clone.
    fs::create_dir_all(database.join(".git"))?;
    fs::write(database.join(".git/FETCH_HEAD"), "")
}

/// An advisory in the database's format. JSON's strings and arrays of them are TOML's too.
fn page(advisory: &Value) -> String {
    let line = |name: &str| match &advisory[name] {
        Value::Null => String::new(),
        value => format!("{name} = {value}\n"),
    };
    let about: String = ["id", "package", "date", "informational"].map(line).concat();
    let versions: String = ["patched", "unaffected"].map(line).concat();
    let title = text(&advisory["title"]);
    format!("```toml\n[advisory]\n{about}\n[versions]\n{versions}```\n\n# {title}\n\n{title}\n")
}

/// The packages from a registry that `Cargo.lock` names.
fn packages() -> Result<Vec<String>, String> {
    let lock = fs::read_to_string(workspace().join("Cargo.lock"));
    let lock = lock.map_err(|error| format!("Cargo.lock: {error}"))?;
    let mut names: Vec<_> = lock.split("[[package]]").filter_map(registry_package).collect();
    names.dedup();
    Ok(names)
}

/// The name in an entry of `Cargo.lock`, if the package comes from a registry.
fn registry_package(entry: &str) -> Option<String> {
    let value = |key: &str| entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    value("source").filter(|source| source.contains("registry+"))?;
    value("name").map(|name| name.trim_matches('"').to_owned())
}

/// Prints the extent of the list.
fn report(list: &Value, packages: &[String]) {
    let advisories = list["advisories"].as_array().into_iter().flatten();
    let named: Vec<_> = advisories.map(|it| text(&it["package"])).collect();
    let without = list["without"].as_array().into_iter().flatten().map(text);
    let known: Vec<_> = named.iter().cloned().chain(without).collect();
    let unknown: Vec<_> = packages.iter().filter(|name| !known.contains(name)).map(String::as_str).collect();
    println!("{} advisories, as of {}", named.len(), text(&list["looked_at"]));
    if !unknown.is_empty() {
        println!(
            "{} of {} packages were not looked up: {}",
            unknown.len(),
            packages.len(),
            unknown.join(", ")
        );
    }
}

/// Builds it in the shortest time, since it runs for a second. Does nothing if it is there.
fn install(tools: &Path) -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["install", "--quiet", "--debug", "--locked", "--version", VERSION, "cargo-deny"]);
    cargo.arg("--root").arg(tools).arg("--target-dir").arg(tools.join("build"));
    run(cargo.env("CARGO_PROFILE_DEV_DEBUG", "false"))
}

/// Writes cargo's metadata of the packages for the systems that lossc supports.
fn write_metadata(path: &Path) -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    cargo.args(["--filter-platform", "aarch64-unknown-linux-gnu"]);
    let file = fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
    run(cargo.stdout(file))
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advisory_is_laid_out_as_the_database_does() {
        let advisory = serde_json::json!({
            "package": "paste", "id": "RUSTSEC-2024-0436", "date": "2024-10-07",
            "informational": "unmaintained", "patched": [">= 2.0"], "title": "no longer maintained",
        });
        let expected = "```toml\n[advisory]\nid = \"RUSTSEC-2024-0436\"\npackage = \"paste\"\n\
            date = \"2024-10-07\"\ninformational = \"unmaintained\"\n\n[versions]\npatched = [\">= 2.0\"]\n\
            ```\n\n# no longer maintained\n\nno longer maintained\n";
        assert_eq!(page(&advisory), expected);
    }

    #[test]
    fn the_list_is_in_order_and_names_no_package_twice() {
        let list = read_list().unwrap();
        let ids: Vec<_> = list["advisories"].as_array().unwrap().iter().map(page).collect();
        assert!(ids.len() > 20);
        let without: Vec<_> = list["without"].as_array().unwrap().iter().map(text).collect();
        assert!(without.is_sorted() && without.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn packages_of_the_workspace_come_from_no_registry() {
        let packages = packages().unwrap();
        assert!(packages.iter().any(|name| name == "clap"));
        assert!(!packages.iter().any(|name| name.starts_with("lossc")));
    }
}
