import { describe, expect, it } from 'vitest'
import { formIn, formsOf } from '../../../examples/wallet/demo/canary.js'

describe('the scan for the canary', () => {
  const canary = 'canary/ab+cd ef'

  it.each([0, 1, 2, 3, 4, 5])('finds it in base64 after %i bytes', (before) => {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const planted = Buffer.from(`${'x'.repeat(before)}${canary}yyyy`).toString(encoding)
      expect(formIn(JSON.stringify({ planted }), canary), encoding).toBeDefined()
    }
  })

  it('finds it as it is and URL-encoded, and does not find what is not there', () => {
    for (const planted of [canary, encodeURIComponent(canary), new URLSearchParams({ canary }).toString()]) {
      expect(formIn(`before ${planted} after`, canary)).toBeDefined()
    }
    expect(formIn('canary', canary)).toBeUndefined()
    expect(formsOf(canary).every((form) => form.length >= 12)).toBe(true)
  })
})
