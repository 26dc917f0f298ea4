import com.google.cloud.tools.jib.api.Containerizer;
import com.google.cloud.tools.jib.api.Jib;
import com.google.cloud.tools.jib.api.JibContainerBuilder;
import com.google.cloud.tools.jib.api.RegistryImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Pushes an image with a layer for each file of a folder. */
public final class Push {
  /** The words are the image, login and token of who pushes, the folder, and a folder for what jib keeps. */
  public static void main(String[] words) throws Exception {
    JibContainerBuilder image = Jib.fromScratch();
    try (Stream<Path> files = Files.list(Path.of(words[3]))) {
      for (Path file : files.sorted().toList()) {
        image.addLayer(List.of(file), "/");
      }
    }
    Path cache = Path.of(words[4]);
    image.containerize(
        Containerizer.to(RegistryImage.named(words[0]).addCredential(words[1], words[2]))
            .setBaseImageLayersCache(cache)
            .setApplicationLayersCache(cache));
  }
}
