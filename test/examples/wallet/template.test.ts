import { describe, expect, it } from 'vitest'
import { renderPath, TemplateError } from '../../../examples/wallet/template.js'

const VALUES = { region: 'eu-central', 'env.stage': 'pro d/..?#', 'env.dots': '..', 'env.empty': '' }

describe('renderPath', () => {
  it('fills placeholders, each as one path segment', () => {
    expect(renderPath('/v1/{{ env.stage }}/{{region}}', VALUES)).toBe('/v1/pro%20d%2F..%3F%23/eu-central')
    expect(renderPath('/v1/plain', VALUES)).toBe('/v1/plain')
  })

  it.each([
    ['an unknown name', '/{{ env.tenant }}'],
    ['an inherited name', '/{{ constructor }}'],
    ['an empty value', '/{{ env.empty }}'],
    ['a dot segment', '/{{ env.dots }}/admin'],
    ['a malformed name', '/{{ region | upper }}'],
    ['an empty placeholder', '/{{ }}'],
    ['one that is not closed', '/{{ region'],
    ['one that is not opened', '/region }}'],
  ])('refuses %s', (_, template) => {
    expect(() => renderPath(template, VALUES)).toThrow(TemplateError)
  })

  it('names the placeholder and no value', () => {
    expect(() => renderPath('/{{ env.dots }}', VALUES)).toThrow('placeholder env.dots is a dot segment')
  })
})
