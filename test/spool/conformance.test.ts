import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { MemorySpool } from '../../src/spool/memory-spool.js'
import { describeSpool } from './conformance.js'
import { temporaryDirectory } from './directories.js'

describeSpool('MemorySpool', (maxBytes) => Promise.resolve(new MemorySpool(maxBytes)))

// From `dist`: Node 20 does not load TypeScript in a worker thread.
describeSpool('LmdbSpool', (maxBytes) => openLmdbSpool({ directory: temporaryDirectory(), maxBytes }))
