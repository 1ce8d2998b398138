//! Prints how often each operation allocates: apart from `report`, because a counting allocator is slower.

fn main() {
    for mut operation in traceparent_benches::all() {
        let counted = allocation_counter::measure(|| (operation.run)(1));
        println!("{}\t{}\t{}", operation.name, operation.library, counted.count_total);
    }
}
