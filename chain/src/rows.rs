//! Local rows: the only file that encodes and decodes with bincode; the rows
//! themselves derive its traits where they are declared. They are read by the program
//! that wrote them and are never hashed, signed or sent; each begins with a
//! version byte (docs/adr/0001).

use bincode::config::{BigEndian, Configuration, Limit, Varint};
use bincode::{Decode, Encode};

use crate::storage::{Batch, Family, Read, StoreError};

const VERSION: u8 = 1;
/// Rows of cases, which are the most frequent large ones, take no more.
const ROW_BYTES: usize = 768;
const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

fn config() -> Configuration<BigEndian, Varint, Limit<ROW_BYTES_MAX>> {
    bincode::config::standard().with_big_endian().with_limit::<ROW_BYTES_MAX>()
}

/// The bytes of a row.
pub(crate) fn encode<T: Encode>(row: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROW_BYTES);
    bytes.push(VERSION);
    // Encoding into memory fails only for types that the rows do not use.
    let _ = bincode::encode_into_std_write(row, &mut bytes, config());
    bytes
}

/// A row from its bytes.
pub(crate) fn decode<T: Decode<()>>(family: Family, bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |what: String| StoreError::Damaged { family: family.name(), what };
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            let (row, consumed) =
                bincode::decode_from_slice(rest, config()).map_err(|error| damaged(error.to_string()))?;
            if consumed == rest.len() { Ok(row) } else { Err(damaged("bytes follow the row".to_owned())) }
        }
        _ => Err(damaged("unknown row version".to_owned())),
    }
}

/// Reads a row.
pub(crate) fn get<T: Decode<()>>(read: &dyn Read, family: Family, key: &[u8]) -> Result<Option<T>, StoreError> {
    read.get(family, key)?.map(|bytes| decode(family, &bytes)).transpose()
}

/// Writes a row.
pub(crate) fn put<T: Encode>(batch: &mut Batch, family: Family, key: Vec<u8>, row: &T) {
    batch.put(family, key, encode(row));
}
