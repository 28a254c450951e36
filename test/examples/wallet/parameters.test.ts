import { describe, expect, it } from 'vitest'
import { HttpError } from '../../../examples/wallet/denial.js'
import type { Call } from '../../../examples/wallet/http.js'
import { executionIds, flag, parameter } from '../../../examples/wallet/parameters.js'

function call(query: string, headers: Call['headers'] = {}): Call {
  return {
    params: {},
    query: new URLSearchParams(query),
    headers,
    sourceAddress: undefined,
    json: async () => undefined,
  }
}

describe('parameters of a call', () => {
  it('reads 64-bit ids without losing a digit, from query or header', () => {
    expect(
      executionIds(call('execution_id=9007199254740993&parent_execution_id=9223372036854775807')),
    ).toEqual({
      executionId: 9007199254740993n,
      parentExecutionId: 9223372036854775807n,
    })
    expect(executionIds(call('execution_id=7', { 'x-execution-id': '07' })).executionId).toBe(7n)
    expect(executionIds(call(''))).toEqual({ executionId: undefined, parentExecutionId: undefined })
  })

  it.each([
    '-1',
    '1.5',
    '1e3',
    '0x10',
    ' 7',
    '',
    '9223372036854775808',
    '99999999999999999999',
    'NaN',
    '7, 7',
  ])('answers 400 for the id %j', (id) => {
    const query = new URLSearchParams({ execution_id: id }).toString()
    for (const bad of [call(query), call('', { 'x-execution-id': id })]) {
      expect(() => executionIds(bad)).toThrow(expect.objectContaining({ status: 400 }))
    }
  })

  it('answers 400 when header and query differ, and for what is given twice', () => {
    const both = call('execution_id=7', { 'x-execution-id': '8' })
    expect(() => executionIds(both)).toThrow(HttpError)
    expect(() => parameter(call('worker_id=a&worker_id=b'), 'worker_id')).toThrow('more than once')
  })

  it('reads a flag, and answers 400 for what is neither', () => {
    expect(flag(call('include_data=true'), 'include_data')).toBe(true)
    expect(flag(call('include_data=false'), 'include_data')).toBe(false)
    expect(flag(call(''), 'include_data')).toBe(false)
    expect(() => flag(call('include_data=yes'), 'include_data')).toThrow('true or false')
  })
})
