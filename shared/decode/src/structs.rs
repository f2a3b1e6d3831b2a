//! The columns of a struct, found by name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::column::{Column, DefaultValue};
use crate::session::{Session, Stop};

/// One field of a struct.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) default: Option<DefaultValue>,
    pub(crate) column: Column,
}

/// The fields of a struct, or of the record itself.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<Field>,
    /// Objects and arrays around a value of these fields; 1 for the record's own fields.
    pub(crate) depth: usize,
    index: Arc<HashMap<Arc<str>, usize>>,
    /// By position in `fields` plus one, and 0 for "none before": the field that came next the last time.
    ///
    /// Producers repeat one key order, whatever it is and with or without optional fields, so that this guess saves
    /// nearly every hash lookup.
    next: Vec<usize>,
}

impl Fields {
    /// `Err` names a field that stands twice.
    pub(crate) fn try_new(fields: Vec<Field>, depth: usize) -> Result<Self, Arc<str>> {
        let mut index = HashMap::with_capacity(fields.len());
        for (position, field) in fields.iter().enumerate() {
            if index.insert(Arc::clone(&field.name), position).is_some() {
                return Err(Arc::clone(&field.name));
            }
        }
        let next = (0..=fields.len()).collect();
        Ok(Self { fields, depth, index: Arc::new(index), next })
    }

    /// Position of the field called `name`, given the position before it in the record plus one (0 for none).
    #[inline]
    pub(crate) fn find(&self, name: &str, after: usize) -> Option<usize> {
        let guess = self.next.get(after).copied();
        match guess.and_then(|position| Some((position, self.fields.get(position)?))) {
            Some((position, field)) if *field.name == *name => Some(position),
            _ => self.index.get(name).copied(),
        }
    }

    /// Remembers that the field at `position` came after the one before it.
    #[inline]
    pub(crate) fn learn(&mut self, after: usize, position: usize) {
        if let Some(next) = self.next.get_mut(after) {
            *next = position;
        }
    }

    /// Ends row `row`: fields that the record lacks become their default or NULL.
    pub(crate) fn complete(&mut self, row: usize, session: &mut Session) -> Result<(), Stop> {
        for Field { name, default, column } in &mut self.fields {
            if column.len() > row {
                continue;
            }
            let outcome = match default {
                Some(default) => column.push_default(default, session),
                None if column.required => Err(session.fail(required(column), "no such field")),
                None => column.push_null(session),
            };
            outcome.inspect_err(|_| session.inside_field(name))?;
        }
        Ok(())
    }

    /// A row of NULLs, for a struct that is NULL. Required fields hold one, too: the struct's own NULL masks it.
    pub(crate) fn push_nulls(&mut self, session: &mut Session) -> Result<(), Stop> {
        self.fields.iter_mut().try_for_each(|field| field.column.push_null(session))
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.fields.iter_mut().for_each(|field| field.column.truncate(rows));
    }

    pub(crate) fn reserve(&mut self, rows: usize) {
        self.fields.iter_mut().for_each(|field| field.column.reserve(rows));
    }
}

/// What a required column expects where nothing or NULL stands.
#[cold]
pub(crate) fn required(column: &Column) -> String {
    format!("{} (the column is required)", column.type_name)
}
