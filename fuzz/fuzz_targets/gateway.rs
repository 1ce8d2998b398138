#![cfg_attr(fuzzing, no_main)]

traceparent_fuzz::target!(gateway);
