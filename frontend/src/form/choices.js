/**
 * The labels of the values of thinking and effort, in the order of their menus.
 * @type {Record<'thinking' | 'effort', Record<string, string>>}
 */
export const CHOICES = {
  thinking: { adaptive: 'Adaptive', between_tools: 'Between tool calls', disabled: 'Off' },
  effort: { low: 'Low', medium: 'Medium', high: 'High', xhigh: 'Extra high', max: 'Max' },
};

/**
 * The label of a value in its menu; the value itself if the menu doesn't have it.
 * @param {'thinking' | 'effort'} field
 * @param {string} value
 */
export const choiceLabel = (field, value) => CHOICES[field][value] ?? value;
