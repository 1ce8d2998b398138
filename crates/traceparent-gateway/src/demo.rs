use std::io::{Write, stdout};

use terminal_size::{Width, terminal_size_of};

use crate::{
    demo::{
        render::{table, waterfall},
        scene::{Played, QUESTION, play},
        tree::{check, unordered},
    },
    error::Error,
};

mod render;
mod scene;
mod tree;

/// The width of what is printed where there is no terminal that knows better.
const WIDTH: usize = 100;

/// Plays the customer-support scene over real HTTP on loopback ports and prints its trace.
///
/// # Errors
///
/// The scene does not play to its end; its trace is not the expected tree.
pub async fn demo() -> Result<(), Error> {
    let Played { answer, spans } = play().await?;
    print(&format!("customer  {QUESTION}\nanswer    {answer}\n\n"))?;
    match check(&spans) {
        Ok(tree) => {
            let count = tree.len();
            let (table, waterfall) = (table(&tree), waterfall(&tree, width()));
            print(&format!(
                "{table}\n{waterfall}\nThe tree is the expected one: {count} spans in one trace, every parent right.\n"
            ))
        }
        Err(mismatch) => {
            print(&table(&unordered(&spans)))?;
            Err(Error::Tree(mismatch.into()))
        }
    }
}

fn print(text: &str) -> Result<(), Error> {
    stdout().lock().write_all(text.as_bytes()).map_err(Error::Print)
}

/// The width of the terminal, or what `COLUMNS` says where standard output is none.
fn width() -> usize {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    match terminal_size_of(stdout()) {
        Some((Width(width), _)) => width.into(),
        None => columns().unwrap_or(WIDTH),
    }
}
