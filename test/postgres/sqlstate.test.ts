import { expect, test } from 'vitest'
import { serverVerdict } from '../../src/postgres/sqlstate.js'

test('a whole code goes before its class, and a class that is not the server’s means the row', () => {
  expect(serverVerdict('23505')).toBe('duplicate')
  expect(serverVerdict('23514')).toBe('data')
  expect(serverVerdict('25006')).toBe('lasting')
  expect(serverVerdict('25P02')).toBe('retry')
  expect(serverVerdict('40P01')).toBe('retry')
  expect(serverVerdict('40003')).toBe('unknown')
  expect(serverVerdict('08006')).toBe('retry')
  expect(serverVerdict('08007')).toBe('unknown')
  expect(serverVerdict('ZZ999')).toBe('data')
})
