//! Prefix codes of limited length, from counts.

/// Longest code of a literal or length: four of them and the bits left of a byte fit 64 bits.
pub(crate) const LITERAL_LIMIT: u8 = 14;

/// The same for a block without repetitions: with its length, which is below 16, a code fits 16 bits.
pub(crate) const CODED_LIMIT: u8 = 12;

/// Symbols of the largest alphabet, literals and lengths.
const SYMBOLS: usize = 286;

/// Gives each symbol with a count a code length of at most `limit` bits, so that the code is
/// complete, and 0 to all others. Fewer than two symbols with a count are made two, by adding the
/// first of the others: some decoders take no incomplete code.
///
/// Lengths are Huffman's, by J. Katajainen and A. Moffat's way in place. Where some are too long,
/// they are cut to the limit, and as many shorter ones made longer as the Kraft sum needs; a rarer
/// symbol never has a shorter code than a more frequent one.
pub(crate) fn lengths(counts: &[u32], limit: u8, lengths: &mut [u8]) {
    debug_assert_eq!(counts.len(), lengths.len());
    lengths.fill(0);
    // Count and symbol in one number, so that sorting is by count and the order is total.
    let mut sorted = [0_u64; SYMBOLS];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        if count > 0 {
            sorted[used] = u64::from(count) << 16 | symbol as u64;
            used += 1;
        }
    }
    if used < 2 {
        for (symbol, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
            if used < 2 {
                sorted[used] = 1 << 16 | symbol as u64;
                used += 1;
            }
        }
    }
    let sorted = &mut sorted[..used];
    sorted.sort_unstable();

    let mut depth = [0_u32; SYMBOLS];
    for (depth, packed) in depth.iter_mut().zip(&*sorted) {
        *depth = u32::try_from(packed >> 16).expect("was a u32");
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
        for packed in by_count.by_ref().take(of_length[length as usize] as usize) {
            lengths[(packed & 0xFFFF) as usize] = u8::try_from(length).expect("at most 15");
        }
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
    for &length in lengths {
        of_length[usize::from(length)] += 1;
    }
    of_length[0] = 0;
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
