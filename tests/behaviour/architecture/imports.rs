//! The graph of imports between the files of a crate, read from its sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, UseTree, Visibility, visit::Visit};

/// Segments of a path: `["crate", "log", "Log"]`, or a module's own from the crate's root.
type Segments = Vec<String>;

/// Re-exports may lead through each other in a circle, which the compiler forbids only for names
/// that are used.
const DEEPEST: usize = 32;

/// The files of a crate, and from each an edge to every file that defines something it names.
///
/// Counted are `use` declarations and paths that begin with `crate`, `self` or `super`. A re-export
/// (`pub use`) is looked through, and is no edge itself; code that only tests compile is left out.
#[derive(Default)]
pub(crate) struct Imports {
    modules: BTreeMap<Segments, Module>,
}

/// A module that has a file of its own, or is a block inside the file of another one.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Items defined here, modules excepted.
    items: BTreeSet<String>,
    /// Names that `use` brings in, with the paths that they stand for.
    names: BTreeMap<String, Segments>,
    /// Modules of which `use` brings in all names.
    globs: Vec<Segments>,
    /// Paths to what this module needs.
    needs: Vec<Segments>,
}

/// Which file needs which others.
pub(crate) type Edges<'files> = BTreeMap<&'files Path, BTreeSet<&'files Path>>;

impl Imports {
    /// Reads the sources in `root`, the folder of a `lib.rs`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut imports = Self::default();
        imports.read_file(root, PathBuf::from("lib.rs"), vec![]);
        imports
    }

    fn read_file(&mut self, root: &Path, file: PathBuf, path: Segments) {
        let text = fs::read_to_string(root.join(&file)).expect("a source file");
        let parsed = syn::parse_file(&text).expect("Rust");
        self.read_items(root, &file, path, &parsed.items);
    }

    fn read_items(&mut self, root: &Path, file: &Path, path: Segments, items: &[Item]) {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            match item {
                Item::Mod(item) if is_for_tests(&item.attrs) => {}
                Item::Mod(item) => {
                    let child = [path.as_slice(), &[item.ident.to_string()]].concat();
                    match &item.content {
                        Some((_, items)) => self.read_items(root, file, child, items),
                        None => self.read_file(root, file_of(root, &child), child),
                    }
                }
                _ => {
                    module.items.extend(name_of(item));
                    module.visit_item(item);
                }
            }
        }
        self.modules.insert(path, module);
    }

    pub(crate) fn edges(&self) -> Edges<'_> {
        let mut edges = Edges::new();
        for (path, module) in &self.modules {
            let targets = edges.entry(module.file.as_path()).or_default();
            let found = module.needs.iter().filter_map(|need| self.resolve(path, need, 0));
            targets.extend(found.filter(|file| *file != module.file));
        }
        edges
    }

    /// The file that defines what `path` names in module `from`; `None` if it is of another crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<&Path> {
        if depth > DEEPEST {
            return None;
        }
        let Some((name, rest)) = path.split_first() else {
            return Some(&self.modules.get(from)?.file);
        };
        let again = |from: &[String], path: &[String]| self.resolve(from, path, depth + 1);
        match name.as_str() {
            "crate" => return again(&[], rest),
            "self" => return again(from, rest),
            "super" => return again(from.split_last()?.1, rest),
            _ => {}
        }
        let module = self.modules.get(from)?;
        if module.items.contains(name) {
            return Some(&module.file);
        }
        let child = [from, std::slice::from_ref(name)].concat();
        if self.modules.contains_key(&child) {
            return again(&child, rest);
        }
        // `use name::Item` inside of what `use name` has brought in is the same path once more.
        if let Some(target) = module.names.get(name).filter(|target| target[0] != *name) {
            return again(from, &[target, rest].concat());
        }
        let globs = module.globs.iter().filter(|glob| glob[0] != *name);
        let mut found = globs.map(|glob| again(from, &[glob, path].concat()));
        found.find_map(|file| file)
    }
}

impl Module {
    fn add_use(&mut self, above: &[String], tree: &UseTree, is_import: bool) {
        let (name, whole) = match tree {
            UseTree::Path(path) => {
                let above = [above, &[path.ident.to_string()]].concat();
                return self.add_use(&above, &path.tree, is_import);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|one| self.add_use(above, one, is_import));
            }
            UseTree::Glob(_) => {
                self.globs.push(above.to_owned());
                return self.needs.extend(is_import.then(|| above.to_owned()));
            }
            UseTree::Name(name) if name.ident == "self" => {
                (above.last().expect("a module").clone(), above.to_owned())
            }
            UseTree::Name(name) => {
                (name.ident.to_string(), [above, &[name.ident.to_string()]].concat())
            }
            UseTree::Rename(rename) if rename.ident == "self" => {
                (rename.rename.to_string(), above.to_owned())
            }
            UseTree::Rename(rename) => {
                (rename.rename.to_string(), [above, &[rename.ident.to_string()]].concat())
            }
        };
        self.needs.extend(is_import.then(|| whole.clone()));
        self.names.insert(name, whole);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            let is_import = matches!(item.vis, Visibility::Inherited);
            self.add_use(&[], &item.tree, is_import);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path.segments.iter().map(|one| one.ident.to_string()).collect();
        if segments.len() > 1 && ["crate", "self", "super"].contains(&segments[0].as_str()) {
            self.needs.push(segments);
        }
        syn::visit::visit_path(self, path);
    }
}

/// `log/ring.rs`, or `log/ring/mod.rs`.
fn file_of(root: &Path, module: &[String]) -> PathBuf {
    let stem = module.join("/");
    let [flat, nested] = [format!("{stem}.rs"), format!("{stem}/mod.rs")].map(PathBuf::from);
    if root.join(&flat).exists() { flat } else { nested }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
