/** A placeholder that cannot be filled. The message names the placeholder, never a value. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

export type TemplateValues = Readonly<Record<string, string | undefined>>

/**
 * Fills `{{ name }}` placeholders of a URL path. Only the given values can be reached: there is no access
 * to the process environment. Each value becomes one path segment, so that no value can change the path's
 * shape; a dot segment is refused, because percent-encoding does not disarm it.
 */
export function renderPath(template: string, values: TemplateValues): string {
  const rendered = template.replace(/\{\{(.*?)\}\}/gs, (_, inner: string) => {
    const name = inner.trim()
    if (!/^[a-z_]+(\.[A-Za-z0-9_]+)?$/.test(name)) throw new TemplateError('a placeholder is malformed')
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined || value === '') throw new TemplateError(`placeholder ${name} has no value`)
    if (value === '.' || value === '..') throw new TemplateError(`placeholder ${name} is a dot segment`)
    return encodeURIComponent(value)
  })
  if (/\{\{|\}\}/.test(rendered)) throw new TemplateError('a placeholder is not closed')
  return rendered
}
