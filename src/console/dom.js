const SVG = 'http://www.w3.org/2000/svg'

/**
 * Makes an element. Text is text: nothing of a row is ever parsed as HTML.
 *
 * @param {string} name
 * @param {Record<string, string | number | boolean | undefined | ((event: Event) => void)>} attributes
 * @param {readonly (Node | string | undefined)[]} children
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children)
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children)
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (typeof value === 'function') element.addEventListener(name, value)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/**
 * A table that is a list of cards on narrow screens.
 *
 * @template Row
 * @param {string} caption
 * @param {readonly {title: string, isNumber?: boolean, cell: (row: Row) => Node | string, className?: (row: Row) => string}[]} columns
 * @param {readonly Row[]} rows
 */
export function table(caption, columns, rows) {
  return el(
    'table',
    { 'aria-label': caption },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        ...columns.map(({ title, isNumber }) =>
          el('th', { scope: 'col', class: isNumber && 'number' }, title),
        ),
      ),
    ),
    el(
      'tbody',
      {},
      ...rows.map((row) =>
        el(
          'tr',
          {},
          ...columns.map(({ title, cell, className }) =>
            el('td', { 'data-title': title, class: className?.(row) }, cell(row)),
          ),
        ),
      ),
    ),
  )
}

/** `2026-11-26T10:50:22.059000Z` as `2026-11-26 10:50:22.059`; everything is UTC. */
export function shortTime(time) {
  return time.slice(0, 23).replace('T', ' ')
}

const QUIET = new Set(['ok', 'started', 'stopped', 'mode_changed', 'hooked', 'wire', 'requested'])

/** Whether an outcome says that something went wrong. */
export function isBad(outcome) {
  return !QUIET.has(outcome)
}
