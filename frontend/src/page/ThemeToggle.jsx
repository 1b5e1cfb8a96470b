import { useMantineColorScheme } from '@mantine/core';
import { MoonIcon, ScreenIcon, SunIcon } from '../components/icons.jsx';

const ORDER = /** @type {const} */ (['auto', 'light', 'dark']);
const NAMES = { auto: 'system', light: 'light', dark: 'dark' };
const ICONS = { auto: ScreenIcon, light: SunIcon, dark: MoonIcon };

/** Cycles through the system's theme, light and dark. Mantine stores the choice. */
export function ThemeToggle() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = ORDER[(ORDER.indexOf(colorScheme) + 1) % ORDER.length];
  const Icon = ICONS[colorScheme];
  return (
    <button
      type="button"
      className="header-button"
      onClick={() => setColorScheme(next)}
      aria-label={`Theme: ${NAMES[colorScheme]}. Change to ${NAMES[next]}`}
      title={`Theme: ${NAMES[colorScheme]}`}
    >
      <Icon />
    </button>
  );
}
