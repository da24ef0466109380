        var bytes = Uint8Array.from(atob('@@{drawn_base64}'), function (one) { return one.charCodeAt(0); });
        var content = document.createElement('div');
        content.id = 'js_content';
        content.className = 'rich_media_content';
        new TextDecoder().decode(bytes).split('\n').forEach(function (line) {
            var paragraph = document.createElement('p');
            paragraph.textContent = line;
            content.appendChild(paragraph);
        });
        document.getElementById('app').appendChild(content);
