//! Prefix codes of limited length, from counts.

/// Longest code of a literal or length: four of them and the bits left of a byte fit 64 bits.
pub(crate) const LITERAL_LIMIT: u8 = 14;

/// The same for a block without repetitions: a decoder finds every code in a table of 1,024 entries, which
/// stays in the first cache. It makes streams 0.14 % longer than 12 bits do.
pub(crate) const CODED_LIMIT: u8 = 10;

/// Symbols of the largest alphabet, literals and lengths.
const SYMBOLS: usize = 286;

/// Bits of a symbol.
const SYMBOL_BITS: u32 = 9;

/// Keys that are compared together.
const TOGETHER: usize = 8;

/// Room for a key of each symbol, and one more.
const ROOM: usize = (SYMBOLS + 1).next_multiple_of(TOGETHER);

/// So many keys are worth comparing each with all.
const FEW: usize = 64;

/// Gives each symbol with a count a code length of at most `limit` bits, so that the code is
/// complete, and 0 to all others. Fewer than two symbols with a count are made two, by adding the
/// first of the others: some decoders take no incomplete code.
///
/// Lengths are Huffman's, by J. Katajainen and A. Moffat's way in place. Where some are too long,
/// they are cut to the limit, and as many shorter ones made longer as the Kraft sum needs; a rarer
/// symbol never has a shorter code than a more frequent one. A count is less than 2^22.
pub(crate) fn lengths(counts: &[u32], limit: u8, lengths: &mut [u8]) {
    debug_assert_eq!(counts.len(), lengths.len());
    lengths.fill(0);
    let mut keys = [i32::MAX; ROOM];
    let mut used = 0;
    for (symbol, &count) in (0..).zip(counts) {
        keys[used] = key(count, symbol);
        used += usize::from(count > 0);
    }
    for (symbol, _) in (0..).zip(counts).filter(|(_, count)| **count == 0) {
        if used >= 2 {
            break;
        }
        keys[used] = key(1, symbol);
        used += 1;
    }
    let mut sorted = [0; ROOM];
    sort(&mut keys, used, &mut sorted);
    let sorted = &sorted[..used];

    let mut depth = [0_u32; SYMBOLS];
    for (depth, &key) in depth.iter_mut().zip(sorted) {
        *depth = key.cast_unsigned() >> SYMBOL_BITS;
    }
    let depth = &mut depth[..used];
    huffman_depths(depth);

    // How many symbols have each length: enough to know, because the order is that of the counts.
    let mut of_length = [0_u32; 16];
    let mut kraft = 0_u32;
    let limit = u32::from(limit);
    for &depth in &*depth {
        let length = depth.min(limit);
        of_length[length as usize] += 1;
        kraft += 1 << (limit - length);
    }
    // Each turn takes one symbol of the greatest length that is not the limit, makes it longer by
    // one bit and puts one of those at the limit beside it.
    while kraft > 1 << limit {
        of_length[limit as usize] -= 1;
        let longest = (1..limit as usize).rev().find(|&l| of_length[l] > 0);
        let longest =
            longest.expect("2^limit codes of that length are more than there are symbols");
        of_length[longest] -= 1;
        of_length[longest + 1] += 2;
        kraft -= 1;
    }

    let mut by_count = sorted.iter();
    for length in (1..=limit).rev() {
        for key in by_count.by_ref().take(of_length[length as usize] as usize) {
            let symbol = key.cast_unsigned() & ((1 << SYMBOL_BITS) - 1);
            lengths[symbol as usize] = u8::try_from(length).expect("at most 15");
        }
    }
}

/// Count and symbol in one number, so that sorting is by count and the order is total.
fn key(count: u32, symbol: u32) -> i32 {
    debug_assert!(count < 1 << (31 - SYMBOL_BITS));
    (count << SYMBOL_BITS | symbol).cast_signed()
}

/// The first `used` keys in ascending order.
///
/// A key's place is the number of lesser keys. To count them for each takes more comparisons than sorting
/// does, but several at once, and none of them is a branch, which would be mispredicted as often as not.
/// Many keys are sorted by radix, for the same reason.
fn sort(keys: &mut [i32; ROOM], used: usize, sorted: &mut [i32; ROOM]) {
    if used > FEW {
        return sort_many(keys, used, sorted);
    }
    keys[used..].fill(i32::MAX);
    let together = &keys.as_chunks::<TOGETHER>().0[..used.div_ceil(TOGETHER)];
    for &key in &keys[..used] {
        let mut lesser = [0; TOGETHER];
        for keys in together {
            for (lesser, &other) in lesser.iter_mut().zip(keys) {
                *lesser += i32::from(other < key);
            }
        }
        let place: i32 = lesser.iter().sum();
        sorted[place.cast_unsigned() as usize] = key;
    }
}

/// The same for keys in the order of their symbols: by one byte of the count after the other.
fn sort_many(keys: &mut [i32; ROOM], used: usize, sorted: &mut [i32; ROOM]) {
    let all = keys[..used].iter().fold(0, |all, &key| all | key);
    let mut shift = SYMBOL_BITS;
    loop {
        let byte = |key: i32| (key >> shift & 0xFF).cast_unsigned() as usize;
        let mut next = [0_u16; 256];
        for &key in &keys[..used] {
            next[byte(key)] += 1;
        }
        let mut before = 0;
        for place in &mut next {
            before += std::mem::replace(place, before);
        }
        for &key in &keys[..used] {
            let place = &mut next[byte(key)];
            sorted[usize::from(*place)] = key;
            *place += 1;
        }
        shift += 8;
        if shift >= 32 || all >> shift == 0 {
            return;
        }
        keys.copy_from_slice(sorted);
    }
}

/// Turns ascending counts into the depths of their leaves in a Huffman tree, in place.
fn huffman_depths(a: &mut [u32]) {
    let n = a.len();
    debug_assert!(n >= 2);
    // First pass: `a[..next]` are inner nodes; those below `root` hold the index of their parent.
    a[0] += a[1];
    let (mut root, mut leaf) = (0, 2);
    for next in 1..n - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && a[root] < a[leaf]) {
                weight += a[root];
                a[root] = u32::try_from(next).expect("fewer than 286");
                root += 1;
            } else {
                weight += a[leaf];
                leaf += 1;
            }
        }
        a[next] = weight;
    }
    // Second pass: the depths of inner nodes, from the root down.
    a[n - 2] = 0;
    for next in (0..n - 2).rev() {
        a[next] = a[a[next] as usize] + 1;
    }
    // Third pass: the depths of leaves. Inner nodes are read ahead of what is written.
    let mut available = 1;
    let mut depth = 0;
    let mut root = n - 1;
    let mut next = n;
    while available > 0 {
        let mut inner = 0;
        while root > 0 && a[root - 1] == depth {
            inner += 1;
            root -= 1;
        }
        while available > inner {
            next -= 1;
            a[next] = depth;
            available -= 1;
        }
        available = 2 * inner;
        depth += 1;
    }
}

/// A code of deflate's canonical kind for each symbol, packed with its length: `code << 8 | length`.
/// The code's bits are reversed, since deflate packs codes from their most significant bit.
pub(crate) fn codes(lengths: &[u8], codes: &mut [u32]) {
    let mut of_length = [0_u32; 16];
    // Most are 0, in long runs: a branch costs less than to count them, each after the other.
    for &length in lengths.iter().filter(|&&length| length > 0) {
        of_length[usize::from(length)] += 1;
    }
    let mut next = [0_u32; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    }
    for (entry, &length) in codes.iter_mut().zip(lengths) {
        *entry = 0;
        if length > 0 {
            let code = next[usize::from(length)];
            next[usize::from(length)] += 1;
            *entry = code.reverse_bits() >> (32 - u32::from(length)) << 8 | u32::from(length);
        }
    }
}
