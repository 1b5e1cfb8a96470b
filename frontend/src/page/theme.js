import { createTheme, defaultVariantColorsResolver } from '@mantine/core';

/** @import { MantineColorsTuple, VariantColorsResolver } from '@mantine/core' */

/**
 * One accent: petrol. Greys lean towards it, so that both themes look like one product.
 * @type {MantineColorsTuple}
 */
const petrol = [
  '#e9f5f6', '#d2e9eb', '#a5d3d8', '#7cc3ca', '#5fb8c0', '#359ea8', '#1f8a95', '#0f707b', '#0b6470', '#064f59',
];
/** @type {MantineColorsTuple} */
const dark = [
  '#dfe5e5', '#bcc5c6', '#98a3a5', '#6f7b7d', '#465154', '#354043', '#263033', '#1a2224', '#131a1b', '#0e1415',
];

/**
 * Filled buttons get their colours from the page's tokens: Mantine would choose the colour of the
 * text for the light theme's accent and use it in the dark theme too, where it is not readable.
 * @type {VariantColorsResolver}
 */
function resolveColors(input) {
  if (input.variant !== 'filled') return defaultVariantColorsResolver(input);
  const token = input.color === 'stop' ? 'stop' : 'accent';
  return {
    background: `var(--${token})`,
    hover: `color-mix(in srgb, var(--${token}) 88%, var(--ink))`,
    color: `var(--${token}-ink)`,
    border: '1px solid transparent',
  };
}

export const theme = createTheme({
  primaryColor: 'petrol',
  primaryShade: { light: 8, dark: 4 },
  colors: { petrol, dark },
  variantColorResolver: resolveColors,
  black: '#1b2426',
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace:
    'ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace',
  defaultRadius: 6,
  respectReducedMotion: true,
  components: {
    InputWrapper: { defaultProps: { inputWrapperOrder: ['label', 'input', 'description', 'error'] } },
    Modal: { defaultProps: { transitionProps: { duration: 0 } } },
    Popover: { defaultProps: { transitionProps: { duration: 0 }, shadow: 'md', radius: 8 } },
  },
});

/** Passes the page's own tokens (base.css) to Mantine's components. */
export function resolveVariables() {
  const shared = {
    '--mantine-color-body': 'var(--page)',
    '--mantine-color-text': 'var(--ink)',
    '--mantine-color-dimmed': 'var(--quiet)',
    '--mantine-color-placeholder': 'var(--faint)',
    '--mantine-color-error': 'var(--bad)',
    '--mantine-color-default-border': 'var(--line-strong)',
    '--mantine-color-default': 'var(--field)',
  };
  return { variables: {}, light: shared, dark: shared };
}
