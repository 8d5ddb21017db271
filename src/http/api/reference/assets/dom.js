/** Elements. Everything goes in as text, never as markup: what a server sends can't become part of the page. */

/**
 * Attributes of value undefined are left out.
 * @param {string} name @param {Record<string, string | undefined>} attributes @param {...(Node | string)} children
 */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value)
  node.append(...children)
  return node
}

/** @param {string} id @returns {any} */
export function byId(id) {
  return document.getElementById(id)
}
