import { expect, test } from 'vitest'
import { BUNDLE_FORMAT, parseBundleManifest } from '../../../src/query/bundle/bundle-manifest.js'

const FILE = { name: 'rows.ndjson', bytes: 1, sha256: 'ab'.repeat(32) }
const WHOLE = {
  format: BUNDLE_FORMAT,
  incident: 'INC-1',
  made_at: '2026-11-29T00:00:00Z',
  filter: {},
  verification: {},
  rows: 1,
  context_rows: 0,
  proofs: 1,
  window: null,
  unproven: [{ audit_id: '7', why: 'it has no block' }],
  files: [FILE],
}

test('what a bundle has in its manifest is one', () => {
  expect(parseBundleManifest(JSON.stringify(WHOLE))).toEqual(WHOLE)
  expect(parseBundleManifest(JSON.stringify({ ...WHOLE, window: { from: 'a', to: 'b' } }))).toBeDefined()
})

test.each([
  'nonsense',
  '{}',
  '[]',
  'null',
  ...[
    { format: 'otel-audit/evidence/v9' },
    { incident: 5 },
    { filter: null },
    { rows: 1.5 },
    { window: {} },
    { unproven: [{ audit_id: 'x', why: '' }] },
    { unproven: [null] },
    { files: [{ ...FILE, name: '../../etc/passwd' }] },
    { files: [{ ...FILE, name: 'manifest.json' }] },
    { files: [{ ...FILE, sha256: 'AB' }] },
    { files: [5] },
    { files: {} },
  ].map((changed) => JSON.stringify({ ...WHOLE, ...changed })),
])('and this is not: %s', (text) => {
  expect(() => parseBundleManifest(text)).toThrow(
    expect.objectContaining({ code: 'AUDIT_EVIDENCE_MALFORMED' }),
  )
})
