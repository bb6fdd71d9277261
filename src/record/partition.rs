//! Which partition a key belongs to, as Java producers and ours agree.

/// The partition of `key` among `partitions`: Kafka's default for records with a key.
pub fn partition_of(key: &[u8], partitions: usize) -> usize {
    // The sign bit is masked, not negated: that is what Kafka does.
    (murmur2(key) & 0x7fff_ffff) as usize % partitions
}

/// Kafka's variant of `MurmurHash` 2: 32 bits, with a seed of its own.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MIX);
        word = (word ^ (word >> 24)).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ word;
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hashes that Kafka's own tests hold its Java client to.
    #[test]
    fn keys_hash_as_in_the_java_client() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn every_key_has_a_partition_also_where_its_hash_is_negative() {
        assert_eq!(partition_of(b"foobar", 4), 2);
        assert!((0..1000_u32).all(|key| partition_of(&key.to_le_bytes(), 7) < 7));
        assert_eq!(partition_of(b"", 1), 0);
    }
}
