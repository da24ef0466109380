        var words = document.getElementById('js_text_desc');
        window.cgiDataNew.text_page_info.content_noencode.split('\n').forEach(function (line, number) {
            if (number) words.appendChild(document.createElement('br'));
            words.appendChild(document.createTextNode(line.html(false)));
        });
        if (window.is_user_title) document.getElementById('js_text_title').textContent = window.title.html(false);
