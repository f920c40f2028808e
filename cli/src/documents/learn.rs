//! What the objects of files mean for others: ServiceAccounts, Namespaces, Recipes.

use irsa_emu_doctor::explain::world::World;

use super::File;

/// Takes in what the objects of files mean for others. The error names the object and its place.
pub fn learn_all(world: &mut World, files: &[File], default_namespace: &str) -> Result<(), String> {
    for document in files.iter().flat_map(|file| &file.documents) {
        for object in document.objects() {
            world
                .learn(&object.value, default_namespace)
                .map_err(|why| format!("{why} ({})", document.place))?;
        }
    }
    Ok(())
}
