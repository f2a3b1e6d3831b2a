//! Which files are of one partition, whatever schema their manifests were written with.

use iceberg::spec::{Literal, PrimitiveLiteral, Struct};
use tributary_table::LiveFile;

/// A partition: its spec, and its values as the widest type that each may have been promoted to, so that those written before and
/// after a column was widened are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    pub(crate) spec_id: i32,
    values: Struct,
}

impl PartitionKey {
    pub(crate) fn of(file: &LiveFile) -> Self {
        let values = file.data_file().partition().iter().map(|value| value.map(widest));
        Self { spec_id: file.partition_spec().spec_id(), values: values.collect() }
    }
}

fn widest(value: &Literal) -> Literal {
    match value {
        Literal::Primitive(PrimitiveLiteral::Int(value)) => Literal::long(*value),
        Literal::Primitive(PrimitiveLiteral::Float(value)) => Literal::double(f64::from(value.0)),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_widened_value_is_the_same_and_another_is_not() {
        assert_eq!(widest(&Literal::int(-5)), widest(&Literal::long(-5)));
        assert_eq!(widest(&Literal::float(0.1)), widest(&Literal::double(f64::from(0.1_f32))));
        assert_ne!(widest(&Literal::int(5)), widest(&Literal::long(6)));
        assert_eq!(widest(&Literal::string("5")), Literal::string("5"));
    }
}
